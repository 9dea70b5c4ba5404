"""φ and φ′ of the catalogue against their definitions in many digits, also far out, where a naive form overflows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.theory.activations import BUILT_IN, activation, value_at_zero
from phasemap.theory.elementwise import SELU_ALPHA, SELU_SCALE
from phasemap.theory.errors import InputError

EXACT: dict[str, Callable[[Any], Any]] = {
    "relu": lambda z: max(z, mp.mpf(0)),
    "leaky-relu": lambda z: z if z > 0 else z * mp.mpf(0.3),
    "alpha-relu": lambda z: z ** mp.mpf(2.5) if z > 0 else mp.mpf(0),
    "abs": abs,
    "identity": lambda z: z,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "sin": mp.sin,
    "gelu": lambda z: z * mp.ncdf(z),
    "gelu-tanh": lambda z: z / (1 + mp.exp(-2 * mp.sqrt(2 / mp.pi) * (z + mp.mpf("0.044715") * z**3))),
    "silu": lambda z: z / (1 + mp.exp(-z)),
    "mish": lambda z: z * mp.tanh(mp.log1p(mp.exp(z))),
    "elu": lambda z: z if z > 0 else mp.mpf(2.5) * mp.expm1(z),
    "selu": lambda z: mp.mpf(SELU_SCALE) * (z if z > 0 else mp.mpf(SELU_ALPHA) * mp.expm1(z)),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
}
"""At slope 0.3 and alpha 2.5."""
POINTS = np.concatenate([sign * np.array([1e-9, 0.1, 0.8, 2.0, 6.0, 12.0]) for sign in (1, -1)])


def test_every_name_has_its_definition() -> None:
    assert set(EXACT) == set(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_values_and_slopes_to_full_relative_precision(name: str) -> None:
    """In the tails too: a rounding error of z, which no formula can avoid, changes φ by z·φ′·ε and φ′ by z·φ″·ε."""
    phi = activation(name, slope=0.3, alpha=2.5)
    values, slopes = phi.phi(POINTS), phi.derivative(POINTS)
    with mp.workdps(120):  # e^(−12²) beside 1
        for z, value, slope in zip(POINTS, values, slopes, strict=True):
            exact = [float(mp.diff(EXACT[name], mp.mpf(z), n, h=mp.mpf("1e-20"))) for n in range(3)]
            for found, expected, change in ((value, exact[0], exact[1]), (slope, exact[1], exact[2])):
                allowed = 4e-16 * (2 * abs(expected) + abs(z * change))
                assert abs(found - expected) <= allowed, (z, found, expected)


@pytest.mark.parametrize("name", BUILT_IN)
def test_nothing_overflows_or_is_undefined_far_out(name: str) -> None:
    phi = activation(name, slope=0.3, alpha=0.9)
    z = np.array([-1e300, -1e18, -800.0, -40.0, 0.0, 40.0, 800.0, 1e18, 1e300])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.isfinite(phi.phi(z)).all()
        inner = z[z != 0]  # |z|^−0.1 has no value at 0
        assert np.isfinite(phi.derivative(inner)).all()


@given(z=st.floats(-50, 50))
def test_symmetries(z: float) -> None:
    """φ(z) − φ(−z) = z for gelu, silu and softplus. sigmoid(z) + sigmoid(−z) = 1, and sigmoid(z) = ½(1 + tanh(z/2))."""
    for name in ("gelu", "gelu-tanh", "silu", "softplus"):
        phi = activation(name).phi
        assert float(phi(z) - phi(-z)) == pytest.approx(z, rel=1e-14, abs=4e-16)
    sigmoid = activation("sigmoid").phi
    assert float(sigmoid(z) + sigmoid(-z)) == pytest.approx(1, rel=1e-15)
    assert float(sigmoid(z)) == pytest.approx((1 + np.tanh(z / 2)) / 2, rel=1e-14, abs=1e-16)


def test_values_at_zero() -> None:
    at_zero = {name: value_at_zero(activation(name)) for name in BUILT_IN}
    assert at_zero.pop("softplus") == pytest.approx(np.log(2), rel=1e-15)
    assert at_zero.pop("sigmoid") == 0.5
    assert set(at_zero.values()) == {0.0}


@pytest.mark.parametrize("name", ["alpha-relu", "elu"])
def test_alpha_is_above_zero(name: str) -> None:
    with pytest.raises(InputError, match=f"--alpha 0.0: {name} needs alpha > 0"):
        activation(name, alpha=0.0)


def test_alpha_shows_in_the_label_where_it_is_not_the_usual_one() -> None:
    assert activation("elu").label == activation("elu", alpha=1.0).label == "elu"
    assert activation("elu", alpha=0.5).label == "elu alpha=0.5"
