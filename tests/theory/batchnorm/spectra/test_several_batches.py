"""All eigenvalues of several mini-batches against the Jacobian of their map, by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import Float

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.spectra.several_batches import Part, spectrum
from phasemap.theory.batchnorm.whole_batch.batches_layer import (
    centre_blocks,
    closed_backward,
    sampled_forward,
)
from phasemap.theory.batchnorm.whole_batch.covariance import SCRAMBLES, Layer, Sample, centre
from phasemap.theory.batchnorm.whole_batch.many_batches import (
    next_gram,
    symmetric_fixed_point,
)
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous

Gram = Float[np.ndarray, "rows rows"]


def fixed_point(layer: Layer, size: int, batches: int) -> Gram:
    record = batchnorm_record(layer.activation, size, eps=layer.eps, sigma_w=layer.sigma_w, sigma_b=layer.sigma_b)
    star = record["q_star"] * ((1 - record["c_star"]) * np.eye(size) + record["c_star"])
    return symmetric_fixed_point(star, record["cross_batch"]["c_star"], batches)


def basis(rows: int) -> list[Gram]:
    """An orthonormal basis of the symmetric matrices."""
    matrices = []
    for i in range(rows):
        for j in range(i, rows):
            matrix = np.zeros((rows, rows))
            matrix[i, j] = matrix[j, i] = 1.0 if i == j else np.sqrt(0.5)
            matrices.append(matrix)
    return matrices


def expected(parts: tuple[Part, ...]) -> Float[np.ndarray, " n"]:
    return np.sort(np.concatenate([np.full(part.dimension, part.eigenvalue) for part in parts]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "eps", "size"),
    [
        ("identity", {}, 0.0, 4),
        ("relu", {}, 0.0, 4),
        ("leaky-relu", {"slope": 0.3}, 0.2, 5),
        ("alpha-relu", {"alpha": 2.0}, 0.0, 6),
        ("relu", {}, 0.0, 8),
    ],
)
def test_the_jacobian_of_two_batches(name: str, options: dict[str, float], eps: float, size: int) -> None:
    """Every eigenvalue with its multiplicity. Central differences err by the order of step² and 1e-13/step."""
    layer = Layer(activation(name, **options), eps, sigma_w=1.2, sigma_b=0.3)
    star = fixed_point(layer, size, 2)
    step, matrices = 1e-4 * np.trace(centre(star[:size, :size])) / (size - 1), basis(2 * size)
    columns = []
    for matrix in matrices:
        above, below = (next_gram(star + sign * step * matrix, 2, layer)[0] for sign in (1, -1))
        columns.append([np.sum((above - below) * other) / (2 * step) for other in matrices])
    found = np.linalg.eigvals(np.array(columns).T)
    theory = expected(spectrum(layer.activation, size, 2, eps=eps, sigma_w=1.2))
    assert np.max(np.abs(found.imag)) < 1e-6
    assert np.allclose(np.sort(found.real), theory, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "eps"), [("relu", 0.0), ("leaky-relu", 0.2), ("identity", 0.0)])
def test_the_backward_operator_of_two_batches(name: str, eps: float) -> None:
    """A linear map: applied to a basis it gives every eigenvalue to rounding."""
    size, phi = 5, activation(name)
    power, star, matrices = homogeneous(phi), fixed_point(Layer(phi, eps), size, 2), basis(2 * size)
    assert power is not None
    columns = []
    for matrix in matrices:
        pulled = closed_backward(star, 2, power, matrix, eps)
        columns.append([np.sum(pulled * other) for other in matrices])
    theory = expected(spectrum(phi, size, 2, direction="backward", eps=eps))
    assert np.allclose(np.sort(np.linalg.eigvals(np.array(columns).T).real), theory, atol=1e-8)


@pytest.mark.parametrize("eps", [0.0, 0.4])
def test_a_member_of_each_space_without_closed_forms(eps: float) -> None:
    """tanh by common random numbers: the response of each space to itself, with the standard error over scrambles."""
    size = 6
    layer = Layer(activation("tanh", shift=0.5), eps)
    star, rng = fixed_point(layer, size, 2), np.random.default_rng(0)
    mu = np.trace(centre(star[:size, :size])) / (size - 1)
    zero_sums = np.zeros((size, size))
    for i, j, value in ((0, 1, 1), (1, 2, -1), (2, 3, 1), (3, 0, -1)):
        zero_sums[i, j] = zero_sums[j, i] = value
    own = {"G": centre(np.eye(size)), "L": centre(np.diag([1.0, -1.0] + [0.0] * (size - 2))), "M": zero_sums}
    directions = {space: np.kron([[1.0, 0.0], [0.0, 0.0]], matrix) for space, matrix in own.items()}
    block = centre(rng.normal(size=(size, size)))
    directions["between"] = np.kron([[0.0, 1.0], [0.0, 0.0]], block) + np.kron([[0.0, 0.0], [1.0, 0.0]], block.T)
    sample = Sample.draw(2 * (size - 1), 11, seed=1)
    for part in spectrum(layer.activation, size, 2, eps=eps):
        if part.space == "means":
            continue
        direction, responses = directions[part.space], []
        for points in sample.points:
            one = Sample((points,) * 2)
            above, below = (sampled_forward(star + sign * 1e-3 * mu * direction, 2, layer, one)[0] for sign in (1, -1))
            responses.append(np.sum((above - below) * direction) / (2e-3 * mu * np.sum(direction**2)))
        error = np.std(responses, ddof=1) / np.sqrt(SCRAMBLES)
        assert abs(np.mean(responses) - part.eigenvalue) < 5 * error + 1e-5  # the curvature's share at this step


def test_what_a_batch_does_to_its_covariance_with_another_is_constant_along_the_other() -> None:
    """V of Thm H.13 is not 0 but V{dΣ}·G is: the block is dm·1ᵀ, and between centred batches nothing is driven."""
    size, layer = 6, Layer(activation("relu"))
    star = fixed_point(layer, size, 2)
    direction = np.kron([[1.0, 0.0], [0.0, 0.0]], centre(np.diag([1.0, -1.0] + [0.0] * (size - 2))))
    above, below = (next_gram(star + sign * 1e-4 * direction, 2, layer)[0] for sign in (1, -1))
    driven = (above - below)[:size, size:] / 2e-4
    assert np.max(np.abs(driven)) > 0.01
    assert np.allclose(driven, driven[:, :1], atol=1e-8)
    assert np.max(np.abs(centre_blocks(above - below, 2)[:size, size:])) < 1e-11


def test_dimensions_add_up_and_missing_spaces_stay_out() -> None:
    for size, batches in ((3, 2), (4, 1), (8, 5)):
        parts = spectrum(activation("relu"), size, batches)
        assert sum(part.dimension for part in parts) == batches * size * (batches * size + 1) // 2
        spaces = {part.space for part in parts}
        assert ("M" in spaces) == (size > 3)
        assert ("between" in spaces) == (batches > 1)
    backward = spectrum(activation("relu"), 3, 2, direction="backward")
    assert {part.space: part.eigenvalue for part in backward}["G"] is None


def test_bad_input() -> None:
    with pytest.raises(InputError, match="batches 0: expected at least 1"):
        spectrum(activation("relu"), 8, 0)
    with pytest.raises(InputError, match="direction 'up': expected forward or backward"):
        spectrum(activation("relu"), 8, 2, direction="up")
