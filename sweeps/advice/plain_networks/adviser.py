"""Advice for plain networks: which σ_w, σ_b or keep probability alone makes a network reach the depth.

Schoenholz et al. 2017: networks train up to κ·ξ_c layers, κ = 6, on both sides of the critical point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from phasemap.sweeps.advice.adviser import Adviser, Record
from phasemap.sweeps.advice.kappa import Kappa, agreement_of, given_kappa, map_kappas
from phasemap.sweeps.advice.plain_networks import text
from phasemap.sweeps.advice.spans import finite, spans
from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.mlp.record import mlp_record
from phasemap.theory.parameter_search import Found, search
from phasemap.theory.ranges import check
from phasemap.train.families.plain_mlp import FAMILY

PAPERS_KAPPA = 6.0
SIDES = {"chaotic": "kappa", "ordered": "kappa_vanishing"}
"""The option that is κ of each phase: gradients explode in the chaotic one and vanish in the ordered one."""
LIMITS = (
    "Near the critical point something else limits the depth: of tanh networks of width 96 it was about 100 layers"
    " (docs/figures-dip.md). With a map of your own, --map DIR."
)
GRIDS = {
    "sigma_w": tuple(np.geomspace(0.1, 10, 81)),
    "sigma_b": tuple(np.geomspace(1e-3, 10, 65)),
    "keep": tuple(np.linspace(0.05, 1, 39)),
}
LOGARITHMIC = ("sigma_w", "sigma_b")
NEAR = 0.04
"""Relative change of a value that a network should bear; the keep probability is exact."""


@dataclass(frozen=True)
class Network:
    """The theory's parameters, without the depth."""

    activation: str = "tanh"
    sigma_w: float = 1.0
    sigma_b: float = 0.0
    keep: float = 1.0
    norm: str = "none"
    eps: float = 1e-3
    slope: float = 0.01
    alpha: float = 1.0


class MLPAdviser(Adviser):
    """By the depth scale of correlations ξ_c."""

    arch = FAMILY.name
    setting = Network
    evidence = ("kappa", "kappa_vanishing")

    def advise(
        self, depth: int, settings: dict[str, Any], evidence: Mapping[str, Any], map_source: str | None
    ) -> Record:
        """ξ_c of the network, its verdict, and each parameter alone."""
        network = Network(**settings)
        check(**{name: getattr(network, name) for name in ("sigma_w", "sigma_b", "keep", "eps")})
        now, kappas = theory(network), _kappas(self.arch, evidence, map_source)
        predicted = _predicted(network, depth, kappas)
        return {
            "arch": self.arch,
            "depth": depth,
            "setting": asdict(network),
            "kappa_by_phase": {phase: asdict(kappa) for phase, kappa in kappas.items()},
            "predicted": predicted,
            "verdict": _verdict(network, depth, kappas),
            "reason": now.get("reason", ""),
            "advice": [_change(network, name, depth, kappas) for name in GRIDS],
            "notes": [] if map_source else [LIMITS],
        }

    def lines(self, record: Mapping[str, Any]) -> Sequence[str]:
        """The answer as lines for a person."""
        return text.lines(record)


ADVISER = MLPAdviser()


@lru_cache(maxsize=4096)
def theory(network: Network) -> Mapping[str, Any]:
    """ξ_c, infinite at the critical point, and the phase; else ``reason`` says why there is none.

    Raises:
        InputError: the network's parameters are none.
    """
    phi = activation(network.activation, slope=network.slope, alpha=network.alpha)
    numbers = {name: getattr(network, name) for name in ("sigma_w", "sigma_b", "keep", "norm", "eps")}
    found = mlp_record(phi, **numbers)
    regime, xi = found["regime"], found["xi_c"]
    if regime == "critical":
        return {"xi": math.inf, "phase": regime, "rate": found["chi_1_dropout"]}
    if regime is None or xi is None:
        return {"reason": found["reasons"].get("regime") or found["reasons"].get("xi_c", "no depth scale")}
    return {"xi": float(xi), "phase": regime, "rate": found["chi_1_dropout"]}


def _kappas(arch: str, evidence: Mapping[str, Any], map_source: str | None) -> dict[str, Kappa]:
    """κ of each phase. Raises InputError."""
    papers = Kappa(PAPERS_KAPPA, PAPERS_KAPPA, PAPERS_KAPPA, "the paper's")
    if map_source is None:
        given = {name: given_kappa(name.replace("_", "-"), value) for name, value in evidence.items()}
        return {phase: given.get(option, papers) for phase, option in SIDES.items()}
    from phasemap.sweeps.sources.open_map import open_map

    phase_map = open_map([map_source])
    found = map_kappas(phase_map, map_source, agreement_of(phase_map, map_source, arch))
    return {"chaotic": found.get("exploding", papers), "ordered": found.get("vanishing", papers)}


def _reach(network: Network, kappas: Mapping[str, Kappa]) -> tuple[float, float, float] | None:
    """Layers with κ and the ends of its interval; None without ξ."""
    found = theory(network)
    if "reason" in found:
        return None
    if found["phase"] == "critical":
        return (math.inf,) * 3
    kappa = kappas[found["phase"]]
    return kappa.value * found["xi"], kappa.low * found["xi"], kappa.high * found["xi"]


def _verdict(network: Network, depth: int, kappas: Mapping[str, Kappa]) -> str | None:
    reach = _reach(network, kappas)
    if reach is None:
        return None
    _, low, high = reach
    return "trainable" if depth <= low else "borderline" if depth <= high else "not trainable"


def _predicted(network: Network, depth: int, kappas: Mapping[str, Kappa]) -> Record:
    """What is infinite or does not exist is null, and ``phase`` says why."""
    found, reach = theory(network), _reach(network, kappas)
    value = None if reach is None else finite(reach[0])
    return {
        "depth_scale": finite(found.get("xi")),
        "phase": found.get("phase"),
        "rate": found.get("rate"),
        "reach": value,
        "reach_interval": None if value is None or reach is None else [reach[1], reach[2]],
        "margin": None if value is None else value / depth,
    }


def _used(network: Network, depth: int, kappas: Mapping[str, Kappa]) -> float:
    """depth/reach with the lower end of κ, negative in the ordered phase; NaN where nothing is known."""
    try:
        reach = _reach(network, kappas)
    except (InputError, ArithmeticError):
        return math.nan
    if reach is None:
        return math.nan
    share = depth / reach[1] if reach[1] > 0 else math.inf
    return -share if theory(network)["phase"] == "ordered" else share


def _change(network: Network, name: str, depth: int, kappas: Mapping[str, Kappa]) -> Record:
    """One parameter alone, judged with the lower end of κ."""
    here, logarithmic = float(getattr(network, name)), name in LOGARITHMIC

    def with_(value: float) -> Network:
        return Network(**{**asdict(network), name: value})

    def used(value: float) -> float:
        return _used(with_(value), depth, kappas)

    def at(value: float | None) -> Record | None:
        return None if value is None else {"value": value, **_predicted(with_(value), depth, kappas)}

    found = search(used, GRIDS[name], -1.0, 1.0, logarithmic=logarithmic)
    chosen = here if abs(used(here)) <= 1 else _chosen(found, here, logarithmic)
    recommended = at(chosen)
    fragile = (
        chosen is not None and name != "keep" and any(not abs(used(chosen * (1 + step))) <= 1 for step in (-NEAR, NEAR))
    )
    return {
        "parameter": name,
        "now": here,
        **spans(found),
        "recommended": recommended and {**recommended, "fragile": fragile},
        "best": at(found.best),
    }


def _chosen(found: Found, here: float, logarithmic: bool) -> float | None:
    """The value within reach that is nearest, away from the edges where it can be."""
    firm = found.nearest(here, logarithmic, NEAR) if logarithmic else None
    return found.nearest(here, logarithmic) if firm is None else firm
