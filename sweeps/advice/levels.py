"""Levels of residual networks' quantities: where networks of a map, or of the project's own, stopped training well."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from phasemap.sweeps.advice.map_support import in_words, judged_metric, support
from phasemap.theory.errors import InputError
from phasemap.theory.residual.advice import Level
from phasemap.theory.residual.quantities import QUANTITIES

if TYPE_CHECKING:
    import xarray as xr

LEVELS_PAGE = "docs/figures-vv.md"
DIVERGES: dict[float, tuple[float, float, float]] = {
    1e-3: (8.0, 7.0, 8.4),
    1e-4: (12.1, 10.0, 14.3),
    1e-5: (16.7, 13.6, 25.7),
}
"""By learning rate of plain SGD: the log p (with its 95 % interval) above which the ReLU networks of ``vv-fig2-zig``
diverged; measured, docs/figures-vv.md. At 1e-4 the lower end is that of ``vv-depth-scaling``, 12.4 (10.0 to 13.6)."""
TRAINED_TO = 60
"""Blocks of the deepest networks of these maps."""
SCALED_AT = (1e-4,)
"""Learning rates at which networks scaled by their depth were trained, too."""
FEWEST_WRONG = 0.1
"""Share of networks on the wrong side above which a level separates nothing."""
TRUSTED_R2 = 0.5


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
    from phasemap.sweeps.advice.half_accuracy import half_accuracy
    from phasemap.sweeps.phase_map.regions import TRAINED, WHOLE
    from phasemap.sweeps.verdict.judgement import judge
    from phasemap.sweeps.verdict.ranking import overall

    judged = judge(phase_map, judged_metric(phase_map))
    quantities = judged.theory.quantities
    names = {label: name for name, (label, _) in QUANTITIES.items()}
    if not set(names) & set(quantities):
        raise InputError(f"--map {source}: the theory of residual networks says nothing of it")
    words = in_words(support(phase_map, source))
    levels = [
        Level(names[one.name], one.level, one.low, one.high, True, f"where networks diverged in {words}")
        for one in judged.levels
        if one.name in names and one.wrong <= FEWEST_WRONG * one.networks
    ][:1]
    region = next((name for name in (TRAINED, WHOLE) if name in judged.rankings), None)
    ranked = judged.rankings[region] if region else []
    best = max((one for one in ranked if not one.baseline), key=lambda one: overall(one) or -math.inf, default=None)
    base = max((overall(one) or -math.inf for one in ranked if one.baseline), default=-math.inf)
    if best is not None and (overall(best) or -math.inf) > max(TRUSTED_R2, base):
        crossing = half_accuracy(phase_map, quantities[best.name], judged.metric, rises=best.direction == "rises")
        if crossing is not None:
            origin = f"half way from chance to the best accuracy of {words}; R² of {best.name} {overall(best):.2f}"
            levels.append(Level(names[best.name], *crossing, best.direction == "falls", origin))
    if not levels:
        raise InputError(f"--map {source}: no network diverged and no quantity predicts half of its accuracy: no level")
    return levels
