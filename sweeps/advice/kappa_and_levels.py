"""What advice rests on: κ of a finished map or the paper's, and levels of residual quantities that maps measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phasemap.theory.errors import InputError
from phasemap.theory.residual.advice import Level
from phasemap.theory.residual.quantities import QUANTITIES

if TYPE_CHECKING:
    import xarray as xr

PAPERS_KAPPA = 16.0
KAPPA_PAGE = "docs/figures-bn-maps.md"
LEVELS_PAGE = "docs/figures-vv.md"
EXPERIMENTS = {
    ("tanh", "gamma"): "bn-fig5a",
    ("relu", "beta"): "bn-fig5b",
    ("tanh", "eps"): "bn-fig5c",
    ("relu", "eps"): "bn-fig5d",
    ("relu", "batch_size"): "bn-fig3a",
}
"""By activation and parameter: the experiment whose map tests the advice."""
DIVERGES: dict[float, tuple[float, float, float]] = {
    1e-3: (8.0, 7.0, 8.4),
    1e-4: (12.1, 11.3, 14.3),
    1e-5: (16.7, 13.6, 25.7),
}
"""By learning rate of plain SGD: the log p (with its 95 % interval) above which the ReLU networks of ``vv-fig2-zig``
diverged; measured, docs/figures-vv.md."""
FEWEST_WRONG = 0.1
"""Share of networks on the wrong side above which a level separates nothing."""
TRUSTED_R2 = 0.5
DRAWS = 200


@dataclass(frozen=True)
class Kappa:
    """κ of "trainable up to κ·ξ".

    Attributes:
        value: its best estimate. low, high: 95 % interval, all the same where there is none.
        origin: in words. support: the map's particulars, or None.
    """

    value: float
    low: float
    high: float
    origin: str
    support: dict[str, Any] | None = None

    def verdict(self, depth: int, xi: float) -> str:
        """``trainable``, ``borderline`` (the depth is within κ's interval) or ``not trainable``."""
        if depth <= self.low * xi:
            return "trainable"
        return "borderline" if depth <= self.high * xi else "not trainable"


def papers_kappa() -> Kappa:
    return Kappa(PAPERS_KAPPA, PAPERS_KAPPA, PAPERS_KAPPA, "the paper's")


def given_kappa(value: float) -> Kappa:
    """The user's own. Raises InputError unless it is a finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"--kappa {value}: expected a finite number above 0")
    return Kappa(value, value, value, "given")


def load(source: str) -> xr.Dataset:
    """The map of an output folder or a W&B sweep. Raises InputError if there is none."""
    from phasemap.sweeps.phase_map.from_results import build
    from phasemap.sweeps.sources.gather import gather

    found = gather([source])
    if not found.results:
        raise InputError(f"--map {source}: there are no results yet")
    return build(found.contents, found.expected_cells)


def map_kappa(phase_map: xr.Dataset, source: str) -> Kappa:
    """κ as the map's report computes it, with its interval.

    Raises:
        InputError: these are other networks, or the map gives no κ.
    """
    from phasemap.sweeps.verdict.depth_scale import assess

    if phase_map.attrs.get("architecture", "bn-mlp") != "bn-mlp":
        raise InputError(f"--map {source}: its networks are {phase_map.attrs['architecture']}; expected bn-mlp")
    found = assess(phase_map, _metric(phase_map))
    if found.kappa is None:
        raise InputError(f"--map {source}: it gives no kappa: {found.verdict}")
    interval = found.interval
    low, high = (interval.low, interval.high) if interval else (found.kappa, found.kappa)
    x = phase_map[phase_map.attrs["x_axis"]].values
    support = _support(phase_map, source) | {
        "columns": found.used,
        "x_axis": str(phase_map.attrs["x_axis"]),
        "x_from": x[0].item(),
        "x_to": x[-1].item(),
        "interval": None if interval is None else interval.level,
    }
    return Kappa(found.kappa, low, high, f"of {_in_words(support)}", support)


def _metric(phase_map: xr.Dataset) -> str:
    from phasemap.sweeps.phase_map.accuracies import ACCURACIES

    return str(phase_map.attrs["metric"]) if phase_map.attrs["metric"] in ACCURACIES else ACCURACIES[0]


def _support(phase_map: xr.Dataset, source: str) -> dict[str, Any]:
    from phasemap.sweeps.verdict.depth_scale import sum_lr_in_words

    attributes = phase_map.attrs
    return {
        "map": source,
        "experiment": attributes.get("experiment"),
        "activation": attributes.get("activation"),
        "data": str(attributes["data"]).split(", digest")[0],
        "width": attributes.get("width", attributes.get("widths")),
        "sum_lr": sum_lr_in_words(phase_map),
        "optimizer": attributes.get("optimizer"),
        "seeds": int(phase_map.sizes["seed"]),
    }


def _in_words(support: dict[str, Any]) -> str:
    return (
        f"{support['map']} ({support['experiment']}: {support['activation']}, {support['data']}, width"
        f" {support['width']}, {support['optimizer']}, Σ lr {support['sum_lr']}, {support['seeds']} seed(s))"
    )


def measured_level(activation: str, lr: float) -> list[Level]:
    """The level above which ReLU networks diverged in the zig of Fig. 2; none for another activation.

    Raises:
        InputError: a learning rate at which it was not measured.
    """
    if activation != "relu":
        return []
    if lr not in DIVERGES:
        known = ", ".join(f"{each:g}" for each in DIVERGES)
        raise InputError(
            f"--lr {lr:g}: the level was measured at {known}; give --level, or --map with a map of your own"
        )
    origin = (
        f"where relu networks of vv-fig2-zig diverged (MNIST, width 64, plain SGD, learning rate {lr:g}: {LEVELS_PAGE})"
    )
    return [Level("p", *DIVERGES[lr], at_most=True, origin=origin)]


def map_levels(phase_map: xr.Dataset, source: str) -> list[Level]:
    """What a map of residual networks says: the level above which they diverge, if some did; and the level of the
    quantity that predicts accuracy best at which it is half way between chance and the map's best.

    Raises:
        InputError: these are other networks, or the map gives no level.
    """
    from phasemap.sweeps.verdict.residual import assess, overall

    metric = _metric(phase_map)
    found = assess(phase_map, metric)
    if found is None:
        raise InputError(f"--map {source}: the theory of residual networks says nothing of it")
    names = {label: name for name, (label, _) in QUANTITIES.items()}
    words = _in_words(_support(phase_map, source))
    levels = [
        Level(names[one.name], one.level, one.low, one.high, True, f"where networks diverged in {words}")
        for one in found.corners
        if one.name in names and one.wrong <= FEWEST_WRONG * one.networks
    ][:1]
    region = next((name for name in ("networks that did not diverge", "whole map") if name in found.rankings), None)
    ranked = found.rankings[region] if region else []
    best = max((one for one in ranked if not one.baseline), key=lambda one: overall(one) or -math.inf, default=None)
    base = max((overall(one) or -math.inf for one in ranked if one.baseline), default=-math.inf)
    if best is not None and (overall(best) or -math.inf) > max(TRUSTED_R2, base):
        crossing = half_accuracy(phase_map, found.quantities[best.name], metric, rises=best.direction == "rises")
        if crossing is not None:
            origin = f"half way from chance to the best accuracy of {words}; R² of {best.name} {overall(best):.2f}"
            levels.append(Level(names[best.name], *crossing, best.direction == "falls", origin))
    if not levels:
        raise InputError(f"--map {source}: no network diverged and no quantity predicts half of its accuracy: no level")
    return levels


def half_accuracy(phase_map: xr.Dataset, values: Any, metric: str, *, rises: bool) -> tuple[float, float, float] | None:
    """(level, low, high) of a quantity at which the map's accuracy, as a monotone function of it, is half way between
    chance and the best; the interval by drawing columns again. None where the map does not cross it."""
    import numpy as np

    from phasemap.sweeps.phase_map.accuracies import accuracies, seed_means
    from phasemap.sweeps.verdict.frontier import threshold_of

    mean, count = seed_means(accuracies(phase_map, metric))
    diverged = (phase_map["outcome"].values == "diverged").any(axis=2)
    usable = (count > 0) & ~diverged & np.isfinite(values)
    half = float(threshold_of(mean, phase_map.attrs["chance"]))

    def crossing(columns: np.ndarray) -> float | None:
        kept = usable[:, columns]
        return _crossing(values[:, columns][kept], mean[:, columns][kept], half, rises)

    level = crossing(np.arange(mean.shape[1]))
    if level is None:
        return None
    rng = np.random.default_rng(0)
    draws = rng.integers(mean.shape[1], size=(DRAWS, mean.shape[1]))
    again = [crossing(columns) for columns in draws]
    low, high = np.quantile([one for one in again if one is not None], [0.025, 0.975])
    return level, min(level, float(low)), max(level, float(high))


def _crossing(values: Any, accuracy: Any, half: float, rises: bool) -> float | None:
    """Where the isotonic fit passes ``half``; None if it does not."""
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    if values.size < 3 or not math.isfinite(half):
        return None
    at = np.unique(values)
    fitted = IsotonicRegression(increasing=rises).fit(values, accuracy).predict(at)
    above = fitted >= half
    if above.all() or not above.any():
        return None
    i = int(np.argmax(above)) if rises else int(np.argmin(above))
    share = (half - fitted[i - 1]) / (fitted[i] - fitted[i - 1])
    return float(at[i - 1] + share * (at[i] - at[i - 1]))
