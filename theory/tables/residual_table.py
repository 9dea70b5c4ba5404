"""The theory of residual networks as a table, one row for each layer of each setting (Yang & Schoenholz 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phasemap.theory.activations import as_activation
from phasemap.theory.arguments.grid import settings
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import number
from phasemap.theory.residual.record import LOGARITHMS, PLAIN, record
from phasemap.theory.residual.recurrence import SCALINGS, check_parameters, residual_recurrence

if TYPE_CHECKING:
    import pandas as pd

SQUARED, GRADIENT = "squared activation", "squared gradient, 1 at the last layer"
UNITS = {
    "layer": "blocks",
    **dict.fromkeys(("q", "lambda"), "squared pre-activation"),
    **dict.fromkeys(("p", "gamma", "s"), SQUARED),
    **dict.fromkeys(("e", "c"), "correlation"),
    **{name: GRADIENT for name in PLAIN if name.startswith("chi")},
    "gradient_spread": "ratio",
    **dict.fromkeys((*LOGARITHMS, "log_gradient_spread"), "natural logarithm"),
}
DEFAULTS = {
    **dict.fromkeys(("sigma_w", "sigma_b", "sigma_v", "sigma_a"), 1.0),
    **dict.fromkeys(("beta_w", "beta_b", "beta_v", "beta_a", *SCALINGS), 0.0),
    "p0": 1.0,
    "gamma0": 0.5,
}
QUANTITIES = (*PLAIN, "gradient_spread", *LOGARITHMS, "log_gradient_spread")


def residual_layers(
    activation: Any = "tanh", depth: Any = 100, *, widths: Any = None, **parameters: Any
) -> pd.DataFrame:
    """What the theory predicts for residual networks, one row for each layer 0, …, depth of each setting.

    Args:
        activation: names as on the command line, or ``Activation`` objects; one or several, as every argument.
        depth: number of residual blocks.
        widths: a schedule as on the command line (``2048/2@16,25,36``); None for constant widths.
        parameters: ``sigma_w, sigma_b, sigma_v, sigma_a`` (1 if not given), ``beta_•`` and ``depth_scaling_•`` (0),
            ``p0`` (1), ``gamma0`` (0.5), ``slope`` (of leaky-relu), ``alpha`` (of alpha-relu and elu).

    Returns:
        The settings that were given, ``layer``, then the quantities of `phasemap theory resnet --json`; what does not
        exist is missing. ``attrs["units"]`` has the units by column, ``attrs["source"]`` the paper.

    Raises:
        InputError: an unknown parameter, a value out of range, too many settings.
    """
    import pandas as pd

    known = {**DEFAULTS, "slope": 0.01, "alpha": 1.0}
    if wrong := [name for name in parameters if name not in known]:
        raise InputError(*(f"{name}: unknown parameter; expected one of {', '.join(known)}" for name in wrong))
    given = {"activation": activation, "depth": depth, "widths": widths, **parameters}
    tables = [_layers(setting) for setting in settings(given)]
    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    table.attrs["units"] = {name: unit for name, unit in UNITS.items() if name in table}
    table.attrs["source"] = "Yang & Schoenholz 2018, Deep Mean Field Theory: Layerwise Variance and Width Variation"
    return table


def _layers(setting: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    values = {name: number(name, setting.get(name, default)) for name, default in DEFAULTS.items()}
    depth, widths = number("depth", setting["depth"]), setting["widths"]
    if mistakes := check_parameters(values, depth, widths):
        raise InputError(*mistakes)
    named = setting["activation"]
    phi = as_activation(named, slope=setting.get("slope", 0.01), alpha=setting.get("alpha", 1.0))
    found = record(residual_recurrence(phi, int(depth), widths=widths, **values))
    shown = {name: value for name, value in setting.items() if value is not None}
    shown["activation"] = named if isinstance(named, str) else phi.label
    layers = {"layer": range(int(depth) + 1)} | {name: pd.Series(found[name], dtype=float) for name in QUANTITIES}
    return pd.DataFrame({**dict.fromkeys(shown), **layers}).assign(**shown)
