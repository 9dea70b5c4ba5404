"""Broken batch symmetry: the transition α(B), BSB2 fixed points and their closed form, φ = C₅ − C₇, B = 2 and 3."""

from __future__ import annotations

from dataclasses import astuple, replace
from functools import partial

import numpy as np
import pytest
from scipy import special

from phasemap.theory.activations import Activation, activation
from phasemap.theory.batchnorm.alpha_transition import alpha_transition
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.whole_batch import broken_symmetry as batchnorm_bsb2
from phasemap.theory.batchnorm.whole_batch.broken_symmetry import BSB2
from phasemap.theory.batchnorm.whole_batch.covariance import (
    Layer,
    Sample,
    centre,
    laplace_forward,
    propagate,
    sampled_forward,
)
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous


@pytest.mark.parametrize("batch_size", [5, 6, 10, 64])
def test_bsb1_repels_above_the_transition_and_attracts_below(batch_size: int) -> None:
    alpha = alpha_transition(batch_size)
    assert alpha is not None
    below = batchnorm_record(activation("alpha-relu", alpha=alpha - 0.01), batch_size)
    above = batchnorm_record(activation("alpha-relu", alpha=alpha + 0.01), batch_size)
    assert below["stable"] is True
    assert above["stable"] is False
    assert above["governs"] == "L"
    assert above["depth_scale"] is None
    assert "is unstable here (growth " in above["reasons"]["depth_scale"]
    assert above["backward"]["G"] is not None


def test_the_transition_falls_to_one_and_is_absent_at_four() -> None:
    transitions = [alpha_transition(b) for b in (5, 6, 8, 10, 32, 64, 512, 4096)]
    values = [np.inf if t is None else t for t in transitions]
    assert np.all(np.diff(values) < 0)
    assert values[-1] == pytest.approx(1, abs=1e-3)
    assert alpha_transition(4) is None


@pytest.mark.slow
def test_a_perturbed_batch_breaks_its_symmetry_only_above_the_transition() -> None:
    rng = np.random.default_rng(0)
    start = np.eye(10) + 0.05 * np.cov(rng.normal(size=(10, 50)))
    for alpha, broken in ((1.0, False), (2.0, True)):  # α(10) = 1.40
        last = propagate(start, Layer(activation("alpha-relu", alpha=alpha)), 50).grams[-1]
        diagonal = np.diag(last)
        assert (np.std(diagonal) > 0.1 * np.mean(diagonal)) == broken


@pytest.mark.parametrize("name", ["tanh", "relu", "alpha-relu"])
@pytest.mark.parametrize("batch_size", [4, 10])
def test_the_closed_form_is_a_fixed_point(name: str, batch_size: int) -> None:
    phi = activation(name, alpha=30.0)
    form = batchnorm_bsb2.closed_form(phi, batch_size)
    gram = centre(form.matrix())
    values = np.linalg.eigvalsh(gram)
    expected = (batch_size - 1) / batch_size * (form.d1 - 2 * form.c + form.d2)  # Thm K.4
    assert values[-1] == pytest.approx(expected, rel=1e-12)
    assert np.max(np.abs(values[:-1])) < 1e-12 * values[-1]
    exact = replace(form, d2=form.f2)
    after = np.array(astuple(batchnorm_bsb2.step(exact, phi))[:5])
    assert np.allclose(after, np.array(astuple(form))[:5], rtol=1e-10, atol=1e-14 * form.d1)


def test_eigenvalues_of_bsb2_matrices() -> None:
    gram = BSB2(2.0, 0.7, 0.9, 0.2, 0.3, 3, 8)
    e1, e2, between = gram.eigenvalues
    assert np.allclose(np.linalg.eigvalsh(centre(gram.matrix())), np.sort([0, e1, e1, e2, e2, e2, e2, between]))


@pytest.mark.parametrize("main_block", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("name", ["tanh", "alpha-relu"])
def test_one_step_against_sampling(name: str, main_block: int) -> None:
    phi = activation(name, alpha=2.0)
    gram = BSB2(1.0, 0.3, 0.5, 0.2, 0.1, main_block, 8)
    if main_block == 1:
        gram = replace(gram, f1=gram.d1)
    sampled, error = sampled_forward(gram.matrix(), Layer(phi), Sample.draw(7, 12))
    averaged, expected = (
        np.array(astuple(g)[:5]) for g in (BSB2.of(sampled, main_block), batchnorm_bsb2.step(gram, phi))
    )
    assert np.max(np.abs(averaged - expected)) < 4 * error


def test_quadrature_and_laplace_agree() -> None:
    phi = activation("alpha-relu", alpha=5.0)
    gram = BSB2(1.0, 0.3, 0.5, 0.2, 0.1, 3, 8)
    found = homogeneous(phi)
    assert found is not None
    exact = BSB2.of(laplace_forward(gram.matrix(), found), 3)
    rough = batchnorm_bsb2._quadrature(gram, phi)
    assert np.allclose(astuple(rough)[:5], astuple(exact)[:5], rtol=1e-5)


@pytest.mark.slow
def test_steep_activations_have_bsb2_fixed_points_and_flat_ones_have_not() -> None:
    steep = batchnorm_bsb2.fixed_point(activation("alpha-relu", alpha=4.0), 10, 3)
    assert steep.converged
    assert not steep.gram.is_bsb1
    assert steep.gram.d1 > 1e3 * steep.gram.d2
    found = homogeneous(activation("alpha-relu", alpha=4.0))
    assert found is not None
    matrix = steep.gram.matrix()  # a fixed point of the full map, not only of the ansatz
    assert np.allclose(laplace_forward(matrix, found), matrix, rtol=1e-9, atol=1e-9 * steep.gram.d1)
    flat = batchnorm_bsb2.fixed_point(activation("relu"), 10, 3)
    assert flat.gram.is_bsb1


def difference(z: np.ndarray, order: int = 0) -> np.ndarray:
    """C₅ − C₇ of order 7/2 at z/3, the activation of App. J at B = 10, or its derivative."""
    a, x = 3.5, z / 3
    if order == 0:
        return special.eval_gegenbauer(5, a, x) - special.eval_gegenbauer(7, a, x)
    return 2 * a / 3 * (special.eval_gegenbauer(4, a + 1, x) - special.eval_gegenbauer(6, a + 1, x))


def test_the_activation_that_wide_networks_keep_symmetric() -> None:
    phi = Activation("c5-c7", difference, partial(difference, order=1), label="c5-c7")
    record = batchnorm_record(phi, 10)
    assert record["stable"] is True  # at infinite width BSB1 attracts (App. J: width 1000 goes to BSB1)
    # degrees 5 and 7 only: the explosion rate is an average of l(l + B − 3)/(B − 3) over l = 5, 7
    assert 5 * 12 / 7 < record["backward"]["G"] < 7 * 14 / 7


def test_two_samples_have_no_gradient() -> None:
    h = np.random.default_rng(0).normal(size=2)
    z = (h - h.mean()) / h.std()
    assert np.allclose(np.abs(z), 1)
    jacobian = (np.eye(2) - 1 / 2 - np.outer(z, z) / 2) / h.std()
    assert np.max(np.abs(jacobian)) < 1e-12


def test_main_blocks_outside_the_batch_are_refused() -> None:
    with pytest.raises(InputError, match="main block"):
        batchnorm_bsb2.fixed_point(activation("relu"), 8, 8)
