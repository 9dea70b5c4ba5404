"""The table of the residual networks' theory says what the recurrence says, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest

import phasemap
from phasemap.theory.errors import InputError
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.tables.residual_table import QUANTITIES, UNITS, residual_layers


def test_a_row_for_every_layer_of_every_setting() -> None:
    table = residual_layers("relu", [4, 6], beta_w=[0.0, 0.5])
    assert len(table) == 2 * (5 + 7)
    assert list(table.columns[:4]) == ["activation", "depth", "beta_w", "layer"]
    for (depth, beta), rows in table.groupby(["depth", "beta_w"]):
        trace = residual_recurrence("relu", depth, beta_w=beta)
        np.testing.assert_array_equal(rows["layer"], np.arange(depth + 1))
        np.testing.assert_array_equal(rows["p"], trace.p)
        np.testing.assert_array_equal(rows["chi_w"], trace.chi_w)


def test_the_front_door_gives_it_with_units() -> None:
    table = phasemap.theory.resnet("tanh", 3, widths="64/2@2")
    assert table.attrs["units"]["p"] == "squared activation"
    assert set(QUANTITIES) <= set(table.columns)
    assert set(QUANTITIES) <= set(UNITS)
    assert np.isfinite(table["chi_pi"]).sum() == 1


def test_what_no_float_holds_is_missing_and_its_logarithm_there() -> None:
    last = residual_layers("relu", 2000).iloc[-1]
    assert np.isnan(last["p"])
    assert last["log_p"] > 709


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta_x": 1.0}, "beta_x: unknown parameter; expected one of sigma_w"),
        ({"sigma_w": -1.0}, "sigma"),
        ({"depth": 2.5}, "expected an integer"),
        ({"widths": "64/0@2"}, "widths"),
        ({"activation": "rleu"}, "unknown activation"),
    ],
)
def test_bad_input(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        residual_layers(**arguments)
