"""Activations and their derivatives as plain functions of NumPy arrays; they neither overflow nor cancel in the tails.

Each takes numbers or float64 arrays of any shape and returns float64 of that shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FLAT = 40.0  # |z| from which e^(−z²/2) and 1 − tanh of gelu's argument are 0 to rounding
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
"""Klambauer et al. 2017: the values that keep mean 0 and variance 1 of a Gaussian."""


def relu(z: Any) -> Any:
    """max(z, 0)."""
    return np.maximum(z, 0.0)


def step(z: Any) -> Any:
    """relu′: 1 where z > 0, else 0."""
    return np.where(np.asarray(z) > 0, 1.0, 0.0)


def leaky(z: Any, slope: float) -> Any:
    """z where z > 0, else slope·z."""
    return np.where(np.asarray(z) > 0, z, slope * np.asarray(z))


def leaky_slope(z: Any, slope: float) -> Any:
    """leaky′."""
    return np.where(np.asarray(z) > 0, 1.0, slope)


def power(z: Any, alpha: float) -> Any:
    """max(z, 0)^α."""
    positive = np.asarray(z) > 0
    return np.where(positive, np.where(positive, z, 1.0) ** alpha, 0.0)


def power_slope(z: Any, alpha: float) -> Any:
    """power′."""
    return alpha * power(z, alpha - 1)


def sech2(z: Any) -> Any:
    """tanh′: 4/(e^z + e^−z)² with the large exponential divided out."""
    t = np.exp(-2 * np.abs(z))
    return 4 * t / (1 + t) ** 2


def erf(z: Any) -> Any:
    """(2/√π)·∫₀^z e^(−t²)dt."""
    from scipy import special  # a third of a second that `phasemap list` has no use for

    return special.erf(z)


def gauss(z: Any) -> Any:
    """erf′."""
    return 2 / np.sqrt(np.pi) * np.exp(-np.square(np.clip(z, -FLAT, FLAT)))


def one(z: Any) -> Any:
    """identity′."""
    return np.ones_like(np.asarray(z, dtype=float))


def same(z: Any) -> Any:
    """z."""
    return np.asarray(z, dtype=float)


def sigmoid(z: Any) -> Any:
    """1/(1 + e^(−z))."""
    t = np.exp(-np.abs(z))
    return np.where(np.asarray(z) > 0, 1.0, t) / (1 + t)


def sigmoid_slope(z: Any) -> Any:
    """sigmoid′ = sigmoid(z)·sigmoid(−z)."""
    t = np.exp(-np.abs(z))
    return t / (1 + t) ** 2


def softplus(z: Any) -> Any:
    """ln(1 + e^z), whose derivative is the sigmoid."""
    return np.logaddexp(0.0, z)


def silu(z: Any) -> Any:
    """z·sigmoid(z), also called swish."""
    return z * sigmoid(z)


def silu_slope(z: Any) -> Any:
    """silu′ = sigmoid(z)·(1 + z·sigmoid(−z))."""
    return sigmoid(z) * (1 + z * sigmoid(-np.asarray(z)))


def gelu(z: Any) -> Any:
    """z·Φ(z), Φ the normal distribution function (the exact form; torch's default)."""
    from scipy import special

    return z * special.ndtr(z)


def gelu_slope(z: Any) -> Any:
    """gelu′ = Φ(z) + z·Φ′(z)."""
    from scipy import special

    near = np.clip(z, -FLAT, FLAT)
    return special.ndtr(z) + near * np.exp(-near * near / 2) / np.sqrt(2 * np.pi)


def _gelu_tanh_argument(z: Any) -> tuple[Any, Any]:
    """2u and 2u′ of ½(1 + tanh u) = sigmoid(2u), u = √(2/π)·(z + 0.044715·z³)."""
    near = np.clip(z, -FLAT, FLAT)
    factor = np.sqrt(8 / np.pi)
    return factor * near * (1 + 0.044715 * near * near), factor * (1 + 3 * 0.044715 * near * near)


def gelu_tanh(z: Any) -> Any:
    """z·½(1 + tanh u): the approximation of gelu by a tanh (GPT-2's; torch's ``approximate="tanh"``)."""
    return z * sigmoid(_gelu_tanh_argument(z)[0])


def gelu_tanh_slope(z: Any) -> Any:
    """gelu_tanh′."""
    argument, rate = _gelu_tanh_argument(z)
    return sigmoid(argument) + np.clip(z, -FLAT, FLAT) * sigmoid_slope(argument) * rate


def mish(z: Any) -> Any:
    """z·tanh(softplus(z)), tanh(softplus(z)) = (s² + 2s)/(s² + 2s + 2) with s = e^z; for z > 0 divided by s²."""
    t, positive = np.exp(-np.abs(z)), np.asarray(z) > 0
    return z * np.where(positive, 1 + 2 * t, t * (2 + t)) / np.where(positive, 1 + 2 * t + 2 * t * t, 2 + 2 * t + t * t)


def mish_slope(z: Any) -> Any:
    """mish′ = tanh(softplus(z)) + z·sech²(softplus(z))·sigmoid(z)."""
    t, positive = np.exp(-np.abs(z)), np.asarray(z) > 0
    bottom = np.where(positive, 1 + 2 * t + 2 * t * t, 2 + 2 * t + t * t)
    top = np.where(positive, 1 + 2 * t, t * (2 + t))
    return (top + 4 * z * np.where(positive, t, 1.0) * t * (1 + t) / bottom) / bottom


def elu(z: Any, alpha: float, scale: float = 1.0) -> Any:
    """scale·z where z > 0, else scale·α·(e^z − 1)."""
    return scale * np.where(np.asarray(z) > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def elu_slope(z: Any, alpha: float, scale: float = 1.0) -> Any:
    """elu′."""
    return scale * np.where(np.asarray(z) > 0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))
