"""Where BSB1 repels: the fixed points that batches go to, and the rate of gradients there."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.whole_batch.broken_symmetry import BSB2, fixed_point
from phasemap.theory.batchnorm.whole_batch.covariance import Layer, Sample, laplace_backward, sampled_backward
from phasemap.theory.batchnorm.whole_batch.settled_batches import broken_symmetry, gradient_rate, projections
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous

MEASURED = Path(__file__).parents[4] / "benchmarks" / "results" / "rate_where_networks_are.json"


@pytest.mark.parametrize(("size", "main"), [(5, 1), (6, 2), (7, 6)])
def test_the_projections_split_the_centred_space(size: int, main: int) -> None:
    parts = projections(main, size)
    assert np.allclose(sum(parts), np.eye(size) - 1 / size)
    for i, one in enumerate(parts):
        for j, other in enumerate(parts):
            assert np.allclose(one @ other, one if i == j else 0)


def a_bsb2(size: int, main: int) -> BSB2:
    rng = np.random.default_rng(size)
    inputs = rng.standard_normal((size, 40)) * np.where(np.arange(size) < main, 2.0, 0.5)[:, None]
    return BSB2.of(inputs @ inputs.T / 40, main)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "main"), [(6, 1), (6, 2), (8, 4)])
def test_the_rate_is_the_leading_eigenvalue_on_all_matrices(size: int, main: int) -> None:
    """Power iteration from a random covariance, which knows nothing of blocks."""
    layer = Layer(activation("relu"), eps=0.1, sigma_w=1.2)
    gram, phi = a_bsb2(size, main), homogeneous(layer.activation)
    assert phi is not None
    root = np.random.default_rng(0).standard_normal((size, size))
    gradient, rate = root @ root.T, 0.0
    for _ in range(60):
        gradient = laplace_backward(gram.matrix(), phi, gradient, layer.eps)
        rate = float(np.trace(gradient))
        gradient /= rate
    assert gradient_rate(gram, layer) == pytest.approx(1.2**2 * rate, rel=1e-4)


def test_sampling_gives_the_rate_of_the_closed_form() -> None:
    layer, gram = Layer(activation("relu")), a_bsb2(8, 2)
    rates = [gradient_rate(gram, layer, Sample.draw(7, 10, seed)) for seed in range(8)]
    error = np.std(rates, ddof=1) / np.sqrt(8)
    assert abs(np.mean(rates) - gradient_rate(gram, layer)) < 4 * error
    assert error < 0.01
    by_hand, _ = sampled_backward(gram.matrix(), layer, np.eye(8), Sample.draw(7, 10))
    assert np.trace(by_hand) / 7 < max(rates)  # the identity is not the leading eigenvector


@pytest.mark.slow
def test_batches_go_to_a_fixed_point_of_the_block_symmetric_map() -> None:
    """The fixed point that whole batches were followed to, against the quadrature that assumes its blocks."""
    layer = Layer(activation("alpha-relu", alpha=2.0))
    found = broken_symmetry(layer, 6, 2)
    for one in found.fixed_points:
        expected = fixed_point(layer.activation, 6, one.main_block, start=one)
        assert expected.converged
        assert np.allclose(astuple(one)[:5], astuple(expected.gram)[:5], rtol=1e-3)
    assert found.low <= found.rate <= found.high


def test_a_rate_that_diverges_is_refused() -> None:
    """Two blocks of one sample's kind each: Σ^G has rank one, and E 1/r² diverges."""
    gram = BSB2(2.0, 2.0, 0.5, 0.5, 0.0, 1, 6)
    with pytest.raises(InputError, match="diverges"):
        gradient_rate(gram, Layer(activation("relu")))


def test_a_batch_too_large_to_follow_is_refused() -> None:
    record = batchnorm_record(activation("silu"), 1000, look_beyond=True)
    assert (record["fixed_point"], record["depth_scale"]) == (None, None)
    assert "up to 256 only" in record["reasons"]["depth_scale"]


def test_the_record_says_where_networks_are() -> None:
    stays = batchnorm_record(activation("relu"), 64)
    assert (stays["fixed_point"], stays["broken_symmetry"], stays["rate"]) == ("BSB1", None, stays["backward"]["G"])
    silent = batchnorm_record(activation("silu"), 64)
    assert (silent["fixed_point"], silent["depth_scale"], silent["rate"]) == (None, None, None)
    assert "is unstable here (growth " in silent["reasons"]["depth_scale"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "low", "high"), [("silu", 1.37, 1.43), ("gelu", 1.40, 1.44)])
def test_todays_activations_leave_bsb1(name: str, low: float, high: float) -> None:
    """Networks of 500 and 1500 units, sampled with other code, grew by 1.38 to 1.43 (SiLU), 1.41 to 1.43 (GELU)."""
    record = batchnorm_record(activation(name), 64, look_beyond=True)
    assert record["fixed_point"] == "BSB2"
    assert low < record["rate"] < high
    assert not low < record["backward"]["G"] < high
    assert record["depth_scale"] == pytest.approx(1 / np.log(record["rate"]))
    assert 0 < record["depth_scale_error"] < 0.1 * record["depth_scale"]
    assert min(record["broken_symmetry"]["main_blocks"]) > 5


def test_networks_of_three_widths_explode_at_the_predicted_rate() -> None:
    """Of ``benchmarks/rate_where_networks_are.py``: within four standard errors, whether BSB1 attracts or not."""
    rows = json.loads(MEASURED.read_text())
    assert {(row["activation"], row["batch_size"]) for row in rows} == {
        (name, size) for name in ("relu", "tanh", "gelu", "silu") for size in (16, 64)
    }
    assert {row["fixed_point"] for row in rows} == {"BSB1", "BSB2"}
    for row in rows:
        assert abs(row["distance"]) < 4, row
        if row["fixed_point"] == "BSB2":  # and not at the rate of BSB1
            assert abs(row["limit"] - row["rate_at_bsb1"]) > 4 * row["limit_error"]
        else:
            record = batchnorm_record(activation(row["activation"]), row["batch_size"])
            assert record["rate"] == pytest.approx(row["rate"], rel=1e-9)
