"""The theory of BN with skip connections on a map: what it predicts, draws and says, and where it says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.overlays.batchnorm_residual import BatchNormResidualTheory
from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.phase_map.from_results import build
from phasemap.sweeps.verdict.judgement import judge
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.skip_connections import residual_growth
from phasemap.train import parameters
from phasemap.train.cells import cells
from tests.sweeps.synthetic import content

P0, GAMMA0 = 1.0, 0.3
DEPTHS = [4, 8, 16, 32, 64]


def growth(cell: dict[str, Any]) -> float:
    """ln of the squared gradient's growth in one network, by its own recurrence; 0 if there is none."""
    phi = activation(cell["activation"], scale=cell["gamma"])
    if cell["batch_size"] == 3 and cell["eps"] == 0:
        return 0.0
    found = residual_growth(phi, cell["batch_size"], cell["depth"], spread=P0 - GAMMA0, eps=cell["eps"])
    return float(found.log_gradient[0])


def a_map(x_axis: str = "batch_size", values: tuple[Any, ...] = (8, 16, 32), **changes: Any) -> xr.Dataset:
    """Accuracy falls linearly with the logarithm of the gradient's growth."""
    given = {
        "experiment": "bn-residual",
        "architecture": "bn-resnet",
        "depth": DEPTHS,
        "x_axis": x_axis,
        "overlay": "growth",
        "batch_size": 16,
        "lr": 0.01,
        "steps": 10,
        "seed": [0, 1],
        **changes,
    }
    tiles = [parameters.normalise({**given, x_axis: value}) for value in values]
    contents = [content(tile, lambda cell: 0.0) for tile in tiles]
    for one in contents:
        one["data"] |= {"p0": P0, "gamma0": GAMMA0}
        for result in one["cells"]:
            result["test_accuracy"] = 0.9 - 0.05 * growth(result["parameters"])
    return build(contents, [cell for tile in tiles for cell in cells(tile)])


def test_every_network_has_the_growth_of_its_own_recurrence() -> None:
    theory = theory_of(a_map())
    assert isinstance(theory, BatchNormResidualTheory)
    ((name, values),) = theory.quantities.items()
    assert name == "log₁₀ of the growth of the squared gradient norm"
    for i, depth in enumerate(DEPTHS):
        for j, size in enumerate((8, 16, 32)):
            cell = {"activation": "relu", "gamma": 1.0, "eps": 1e-3, "batch_size": size, "depth": depth}
            assert values[i, j] == pytest.approx(growth(cell) / np.log(10), rel=1e-10)


@pytest.mark.slow
def test_the_contours_pass_through_the_maps_own_networks() -> None:
    theory = theory_of(a_map("gamma", (0.5, 1.0, 2.0), activation="tanh"))
    (field,) = theory.fields()
    (values,) = theory.quantities.values()
    np.testing.assert_array_equal(field.x, [0.5, 1.0, 2.0])
    np.testing.assert_allclose(field.values[np.array(DEPTHS) - 1], values)
    assert field.span == (pytest.approx(values.min()), pytest.approx(values.max()))
    assert theory_of(a_map(overlay="none")).fields() == ()
    assert theory_of(a_map("activation", ("relu", "tanh"))).fields() == ()


def test_a_column_without_an_exponent_is_left_out() -> None:
    (values,) = theory_of(a_map(values=(3, 8), eps=0.0)).quantities.values()
    assert np.isnan(values[:, 0]).all()
    assert np.isfinite(values[:, 1]).all()


def test_such_maps_have_no_frontier_and_are_judged_by_the_quantity() -> None:
    judged = judge(a_map(values=(4, 6, 8, 16, 32)))
    assert judged.agreement is None
    assert "growth of the squared gradient norm predicts accuracy best (which falls as it grows" in judged.verdict


def test_where_it_says_nothing() -> None:
    without = a_map()
    del without.attrs["p0"]
    assert theory_of(without).inapplicable() == "the results do not hold p0 and gamma0 of their data"
    assert theory_of(without).quantities == {}
    turned = a_map("depth", tuple(DEPTHS), y_axis="gamma", gamma=[1.0, 2.0], depth=4)
    assert "needs depth on the vertical axis, which is gamma" in theory_of(turned).inapplicable()
