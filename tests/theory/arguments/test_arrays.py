"""The public functions of the theory take names or objects, scalars or arrays; all else is told in a line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import phasemap
from phasemap.theory.activations import activation, as_activation
from phasemap.theory.batchnorm import (
    DepthScale,
    Setting,
    batchnorm_record,
    depth_scale,
    depth_scales,
    gradient_explosion_rate,
)
from phasemap.theory.errors import InputError
from phasemap.theory.residual import residual_recurrence

RELU = activation("relu")
FUNCTIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "depth_scale": lambda phi, size, scale: depth_scale(phi, size, sigma_w=scale),
    "depth_scales": lambda phi, size, scale: depth_scales(phi, size, sigma_w=scale),
    "gradient_explosion_rate": lambda phi, size, scale: gradient_explosion_rate(phi, size, sigma_w=scale),
    "batchnorm_record": lambda phi, size, scale: batchnorm_record(phi, size, sigma_w=scale),
    "Setting": lambda phi, size, scale: Setting(phi, size, gamma=scale).phi,
    "residual_recurrence": lambda phi, size, scale: residual_recurrence(phi, size, sigma_w=scale),
    "batchnorm": lambda phi, size, scale: phasemap.theory.batchnorm(phi, size, sigma_w=scale),
    "resnet": lambda phi, size, scale: phasemap.theory.resnet(phi, size, sigma_w=scale),
    "activation": lambda phi, size, scale: activation(phi, scale=scale, shift=size),
}
ONE = [9, 9.0, np.int64(9), np.float32(9), np.array(9), torch.tensor(9)]
SEVERAL = [[8, 9], (8, 9), np.array([8, 9]), range(8, 10), pd.Series([8, 9]), torch.tensor([8, 9])]
ODD = [
    None,
    "abc",
    b"9",
    1j,
    {8: 1},
    {8, 9},
    [],
    [[8, 9]],
    [[8], 9],
    -1,
    0,
    1,
    2,
    9.5,
    1e300,
    float("nan"),
    True,
    object,
]
NAMED = [
    "relu",
    RELU,
    np.str_("relu"),
    np.array("relu"),
    "rleu",
    "",
    None,
    3,
    np.tanh,
    torch.nn.ReLU(),
    ["relu", "tanh"],
]


@pytest.mark.parametrize("size", ONE, ids=repr)
@pytest.mark.parametrize("phi", ["relu", RELU, np.array("relu")], ids=repr)
def test_a_number_of_any_library_is_a_number(phi: Any, size: Any) -> None:
    expected = depth_scale("relu", 9)
    assert depth_scale(phi, size) == expected
    assert depth_scales(phi, size) == expected.xi
    assert gradient_explosion_rate(phi, size) == expected.rate
    assert batchnorm_record(phi, size) == batchnorm_record("relu", 9)
    np.testing.assert_array_equal(residual_recurrence(phi, size).p, residual_recurrence("relu", 9).p)


@pytest.mark.parametrize("sizes", SEVERAL, ids=lambda value: type(value).__name__)
def test_arrays_give_arrays(sizes: Any) -> None:
    one, two = depth_scale("relu", 8, eps=0.1), depth_scale("relu", 9, eps=0.1)
    both = depth_scale("relu", sizes, eps=0.1)
    assert list(both.xi) == [one.xi, two.xi]
    assert list(both.regime) == ["exploding"] * 2
    assert list(depth_scales("relu", sizes, eps=0.1)) == [one.xi, two.xi]
    assert list(gradient_explosion_rate("relu", sizes, eps=0.1)) == [one.rate, two.rate]
    assert batchnorm_record("relu", sizes) == [batchnorm_record("relu", 8), batchnorm_record("relu", 9)]


@settings(max_examples=20)
@given(
    st.lists(st.integers(4, 100), min_size=1, max_size=3),
    st.lists(st.sampled_from([0.0, 1e-3, 0.5]), min_size=1, max_size=3),
)
def test_they_broadcast(sizes: list[int], eps: list[float]) -> None:
    found = depth_scale(["relu", "abs"], np.array(sizes)[:, None, None], eps=np.array(eps)[:, None])
    assert found.shape == (len(sizes), len(eps), 2)
    assert DepthScale(*found[-1, 0, 1]) == depth_scale("abs", sizes[-1], eps=eps[0])


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(InputError, match=r"do not broadcast: batch_size \(2,\), eps \(3,\)"):
        depth_scale("relu", [8, 9], eps=[0, 0.1, 0.2])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_anything_else_is_one_line(name: str) -> None:
    """Every odd value at every place: an answer or an InputError, no raw error and no warning (an error here)."""
    good = 8 if name != "activation" else 1
    calls = [(phi, good, 1.0) for phi in NAMED] + [("relu", size, 1.0) for size in ODD]
    for phi, size, scale in [*calls, *(("relu", good, scale) for scale in ODD)]:
        with suppress(InputError):
            FUNCTIONS[name](phi, size, scale)


def test_an_object_keeps_its_own_parameters() -> None:
    assert as_activation(RELU) is RELU
    doubled = as_activation(activation("tanh", scale=2.0), scale=1.5, shift=0.5)
    z = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(doubled.phi(z), np.tanh(2 * (1.5 * z + 0.5)), rtol=1e-15)
    np.testing.assert_allclose(doubled.derivative(z), 3 / np.cosh(3 * z + 1) ** 2, rtol=1e-14)


def test_reprs_are_one_short_line() -> None:
    assert repr(activation("erf", scale=2.0)) == "Activation(erf gamma=2)"
    assert repr(residual_recurrence("tanh", 5, sigma_w=[1.0, 2.0])) == "ResidualTrace(depth 5, grid 2)"
    assert repr(depth_scale("relu", 64)) == "DepthScale(ξ 2.4948 layers, rate 1.4931, exploding)"
