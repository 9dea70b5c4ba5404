"""What a theory predicts of a map, and what was measured of it, are variables of the map; they survive a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.annotated.dataset import annotated
from phasemap.sweeps.annotated.loss_curves import with_loss_curves
from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.phase_map import from_results
from phasemap.sweeps.verdict.depth_scale import assess
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.residual.recurrence import residual_recurrence
from tests.sweeps.residual_maps import DEPTHS, GAMMA0, P0, ZIG, residual_contents
from tests.sweeps.synthetic import content, tile_parameters

SIZES, KAPPA = (5, 8, 16, 64), 12.0


def contents() -> list:
    def frontier(cell: dict) -> float:
        return KAPPA * depth_scale(activation("relu"), cell["batch_size"], eps=cell["eps"]).xi

    tiles = [tile_parameters(batch_size=size) for size in SIZES]
    return [content(tile, frontier, noise=0.01) for tile in tiles]


@pytest.fixture(scope="module")
def built() -> xr.Dataset:
    return from_results.build(contents(), None)


def test_the_depth_scale_the_line_and_the_frontier_are_in_it(built: xr.Dataset) -> None:
    found, agreement = annotated(built), assess(built)
    xi = np.array([depth_scale(activation("relu"), size, eps=1e-3).xi for size in SIZES])
    np.testing.assert_allclose(found["xi"], xi, rtol=1e-12)
    np.testing.assert_allclose(found["predicted_depth"], 16 * xi, rtol=1e-12)
    np.testing.assert_allclose(found["depth_over_xi"], built["depth"].values[:, None] / xi, rtol=1e-12)
    np.testing.assert_array_equal(found["frontier"], agreement.frontier.depth)
    np.testing.assert_allclose(found["frontier"] / found["xi"], KAPPA, rtol=0.15)
    assert set(found["regime"].values) == {"exploding"}
    assert found.attrs["kappa_low"] < found.attrs["kappa"] < found.attrs["kappa_high"]
    assert found.attrs["kappa"] == agreement.kappa
    assert found["xi"].attrs["units"] == "layers"


def test_nothing_that_was_there_changes(built: xr.Dataset) -> None:
    assert annotated(built)[list(built.data_vars)].drop_attrs().equals(built.drop_attrs())
    assert annotated(annotated(built)).identical(annotated(built))


def test_the_metric_is_the_one_that_is_asked_for(built: xr.Dataset) -> None:
    assert annotated(built, "train_accuracy").attrs["judged_metric"] == "train_accuracy"
    np.testing.assert_array_equal(
        annotated(built, "test_accuracy_batch")["frontier"], assess(built, "test_accuracy_batch").frontier.depth
    )


def test_quantities_of_residual_networks() -> None:
    built = from_results.build(residual_contents(lambda cell: 0.5)[0], None)
    found = annotated(built)
    for place, beta in enumerate(ZIG):
        trace = residual_recurrence("relu", max(DEPTHS), beta_w=beta, beta_b=beta, p0=P0, gamma0=GAMMA0)
        np.testing.assert_allclose(found["theory_p"][:, place], trace.log_p[DEPTHS], rtol=1e-9)
    assert found["theory_p"].attrs["long_name"] == "log p"
    assert {"xi", "frontier"}.isdisjoint(found)
    assert "kappa" not in found.attrs
    assert len(theory_of(built).quantities) == sum(name.startswith("theory_") for name in found)


def test_networks_without_a_theory_say_why(built: xr.Dataset) -> None:
    found = annotated(built.assign_attrs(overlay="none"))
    assert np.isnan(found["xi"]).all()
    assert "the experiment asks for overlay 'none'" in found["reason"].values[0]


def test_it_survives_a_file(built: xr.Dataset, tmp_path: Path) -> None:
    found = with_loss_curves(annotated(built), contents())
    found.to_netcdf(tmp_path / "map.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "map.nc", engine="h5netcdf") as back:
        for name in ("xi", "depth_over_xi", "frontier", "loss_curve"):
            np.testing.assert_array_equal(back[name], found[name])
        assert back.attrs["kappa"] == found.attrs["kappa"]


def test_loss_curves_are_those_of_the_cells() -> None:
    results = contents()
    for part in (slice(None), slice(1, 3)):
        results[0]["cells"][7]["history"] = {"step": [0, 300], "loss": [2.3, None]}
        found = with_loss_curves(from_results.build(results[part], None), results)
        for result in results[part]:
            for cell in result["cells"]:
                at = {"depth": cell["parameters"]["depth"], "seed": cell["seed"]}
                at["batch_size"] = cell["parameters"]["batch_size"]
                curve, steps = found["loss_curve"].sel(at).values, cell["history"]["step"]
                np.testing.assert_array_equal(curve[: len(steps)], np.array(cell["history"]["loss"], dtype=float))
                assert np.isnan(curve[len(steps) :]).all()
                np.testing.assert_array_equal(found["loss_step"].sel(at).values[: len(steps)], steps)
