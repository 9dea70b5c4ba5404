"""κ where signal and gradients vanish, at and above the critical ε: what maps measured there, and for which networks.

The paper's 16 is that of exploding gradients. A network that loses its signal trains less deep, and how much less
depends on the activation, so that each number holds for networks like those of its map only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from phasemap.sweeps.advice.kappa import KAPPA_PAGE, Kappa
from phasemap.theory.batchnorm.fixed_point import slopes_at_zero
from phasemap.theory.batchnorm.setting import Setting

if TYPE_CHECKING:
    import xarray as xr

    from phasemap.sweeps.verdict.depth_scale import Agreement

RELU_PAGE = "docs/advise.md"
LIKE = 2.0
"""Factor within which γ and σ_w are those of a map, and by which a batch may be smaller (the rate above the critical ε
does not depend on it)."""
SHIFT = 0.5
"""How far β/γ may be from a map's."""


@dataclass(frozen=True)
class Vanishing:
    """What is known of networks that lose their signal.

    Attributes:
        kappa: frontier/ξ above the critical ε.
        at_critical: the frontier at the critical ε, in layers. There ξ is infinite, but the spread of the samples still
            decays, as 1/depth. Above it a network loses more, so that no deeper one is promised; None if not known.
        network: one of those measured; None for a number that the user gives for all.
    """

    kappa: Kappa
    at_critical: float | None
    network: Setting | None

    def covers(self, setting: Setting) -> bool:
        """Whether the measured networks are like this one."""
        if self.network is None:
            return True
        theirs = self.network
        same = all(getattr(theirs, name) == getattr(setting, name) for name in ("activation", "slope", "alpha"))
        pairs = ((getattr(setting, name), getattr(theirs, name)) for name in ("gamma", "sigma_w"))
        close = all(abs(math.log(mine / other)) <= math.log(LIKE) for mine, other in pairs)
        shifted = abs(setting.beta / setting.gamma - theirs.beta / theirs.gamma)
        kinked = _kinked(setting) == _kinked(theirs)
        return same and close and kinked and shifted <= SHIFT and setting.batch_size * LIKE >= theirs.batch_size


def _kinked(setting: Setting) -> bool:
    """Whether a signal that collapses does so at a kink of φ."""
    right, left = slopes_at_zero(setting.phi)
    return right != left


def _measured(
    networks: str, page: str, kappa: tuple[float, float, float], at_critical: float, network: Setting
) -> Vanishing:
    return Vanishing(Kappa(*kappa, f"measured above the critical eps ({networks}: {page})"), at_critical, network)


MEASURED = (
    _measured(
        "bn-fig5c: tanh, MNIST, width 64, B = 32, Σ lr 36",
        KAPPA_PAGE,
        (11.4, 9.5, 13.7),
        112.0,
        Setting("tanh", 32),
    ),
    _measured(
        "bn-fig5d: relu, beta = 2, MNIST, width 64, B = 32, Σ lr 36",
        KAPPA_PAGE,
        (11.4, 8.2, 16.1),
        98.0,
        Setting("relu", 32, beta=2.0),
    ),
    _measured(
        "relu, MNIST, width 96, B = 64, Σ lr 6",
        RELU_PAGE,
        (4.5, 2.7, 6.5),  # of three columns; from the lowest to the highest
        25.9,
        Setting("relu", 64),
    ),
)
"""κ, its interval and the frontier at the critical ε, of the project's own maps: docs/figures-bn-maps.md, Fig. 5 (c,d),
and docs/advise.md. ``tests/sweeps/advice`` compares them with these pages."""


def known(given: Kappa | None, own: Vanishing | None) -> Sequence[Vanishing]:
    """What is looked up, the first that covers a network: what the user gives, a map of theirs, the project's maps."""
    if given is None:
        return MEASURED if own is None else (own, *MEASURED)
    return (*(replace(one, kappa=given) for one in MEASURED), Vanishing(given, None, None))


def of_map(phase_map: xr.Dataset, found: Agreement, kappa: Kappa) -> Vanishing:
    """What a map with vanishing columns says.

    ``at_critical`` is the frontier of its column at the critical ε; the deepest network of the map if that column
    trains at every depth; and without such a column the deepest frontier above the critical ε, as it only gets worse.
    """
    import numpy as np

    from phasemap.sweeps.phase_map.columns import column_parameters

    regime, used = np.array(found.prediction.regime), np.isfinite(found.ratio)
    vanishing = np.flatnonzero(used & (regime == "vanishing"))
    critical = np.flatnonzero(regime == "critical")
    depth = np.where(
        np.array(found.frontier.censored) == "right", float(phase_map["depth"].max()), found.frontier.depth
    )
    layers = depth[critical] if np.isfinite(depth[critical]).any() else depth[vanishing]
    network = Setting.of(column_parameters(phase_map)[vanishing[0]])
    return Vanishing(kappa, float(np.nanmax(layers)), network)
