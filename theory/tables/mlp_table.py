"""The theory of plain networks as a table, one row for each setting (Poole et al. 2016, Schoenholz et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phasemap.theory.activations import as_activation
from phasemap.theory.arguments.grid import settings
from phasemap.theory.mlp.record import mlp_record
from phasemap.theory.ranges import number

if TYPE_CHECKING:
    import pandas as pd

RATE, LAYERS = "factor a layer", "layers"
UNITS = {
    "q_star": "squared pre-activation",
    "c_star": "correlation",
    **dict.fromkeys(("length_rate", "chi_1", "chi_c"), RATE),
    "chi_1_dropout": f"{RATE} towards the input, of the squared gradient",
    **dict.fromkeys(("xi_q", "xi_c", "xi_grad"), LAYERS),
    "digits": "decimal digits",
}


def mlp(
    activation: Any = "tanh",
    *,
    sigma_w: Any = 1.0,
    sigma_b: Any = 0.0,
    keep: Any = 1.0,
    norm: Any = "none",
    eps: Any = 0.0,
    slope: Any = 0.01,
    alpha: Any = 1.0,
    q0: Any = 1.0,
) -> pd.DataFrame:
    """What the theory predicts for plain networks, one row for each combination of the settings.

    Args:
        activation: names as on the command line, or ``Activation`` objects; one or several, as every argument.
        sigma_w, sigma_b: weights ~ N(0, σ_w²/fan_in), biases ~ N(0, σ_b²).
        keep: probability that dropout keeps a unit. norm: ``none`` or ``layer``, with ``eps``.
        slope: of leaky-relu. alpha: of alpha-relu and elu. q0: mean square of an input's numbers.

    Returns:
        The settings, then the quantities of `phasemap theory mlp --json`; what does not exist is missing, and
        ``reason`` says why. ``attrs["units"]`` has the units by column, ``attrs["source"]`` the papers.

    Raises:
        InputError: a value out of range, an unknown activation, too many settings.
    """
    import pandas as pd

    given = {"activation": activation, "sigma_w": sigma_w, "sigma_b": sigma_b, "keep": keep, "norm": norm, "eps": eps}
    given |= {"slope": slope, "alpha": alpha, "q0": q0}
    table = pd.DataFrame([_row(setting) for setting in settings(given)])
    table.attrs["units"] = {name: unit for name, unit in UNITS.items() if name in table}
    table.attrs["source"] = (
        "Poole et al. 2016, Exponential expressivity; Schoenholz et al. 2017, Deep information propagation"
    )
    return table


def _row(setting: Mapping[str, Any]) -> dict[str, Any]:
    named = setting["activation"]
    phi = as_activation(named, slope=number("slope", setting["slope"]), alpha=number("alpha", setting["alpha"]))
    scales = {name: number(name, setting[name]) for name in ("sigma_w", "sigma_b", "keep", "eps", "q0")}
    found = mlp_record(phi, **scales, norm=setting["norm"])
    reason = "; ".join(f"{name}: {why}" for name, why in found["reasons"].items())
    shown = {**setting, "activation": named if isinstance(named, str) else phi.label}
    told = {name: value for name, value in found.items() if name not in (*setting, "reasons", "fixed_points")}
    return {**shown, **told, "reason": reason}
