"""The Fourier method at the BSB1 fixed point: an independent check for φ whose Gaussian kernel is known (App. E.2).

At BSB1 the double integral of Thm E.25 over r² and λ separates, and what remains is an inverse Laplace transform: a
Gaussian kernel at precision q is the Laplace transform (in q) of averages over spheres, and at squared radius B
E_sphere φ(z₁)φ(z₂) = Γ(d/2)·(B/2)^(1−d/2)/(2πi)·∫dq e^(qB/2)·q^(−d/2)·E_(z~N(0,G/q)) φ(z₁)φ(z₂), d = B − 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Complex

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError

Values = Complex[np.ndarray, " q"]
Kernel = Callable[[Values, Values], Values]


def _erf(scale: float) -> Kernel:
    def kernel(variance: Values, covariance: Values) -> Values:
        s = 2 * scale**2
        return 2 / np.pi * np.arcsin(s * covariance / (1 + s * variance))

    return kernel


def _sin(scale: float) -> Kernel:
    def kernel(variance: Values, covariance: Values) -> Values:
        s = scale**2
        return (np.exp(-s * (variance - covariance)) - np.exp(-s * (variance + covariance))) / 2

    return kernel


def gaussian_kernel(activation: Activation) -> Kernel:
    """E φ(x)φ(y) for centred Gaussians of equal (complex) variance: known for erf and sin without shift.

    Raises:
        InputError: no closed form here.
    """
    known = {"erf": _erf, "sin": _sin}
    slope = float(activation.derivative(np.zeros(1))[0])
    value = float(activation.phi(np.zeros(1))[0])
    if activation.name not in known or value != 0:
        raise InputError(f"{activation.label}: the Fourier method knows erf and sin, without shift")
    return known[activation.name](slope * np.sqrt(np.pi) / 2 if activation.name == "erf" else slope)


def fixed_point(activation: Activation, batch_size: int, nodes: int = 400) -> tuple[float, float]:
    """q* and q*·c* at ε = 0, σ_w = 1: the trapezoid rule on a hyperbola through the saddle of e^(qB/2)·q^(−d/2)."""
    kernel = gaussian_kernel(activation)
    d = batch_size - 1
    saddle, bend = d / batch_size, 0.8
    width = min(np.arccosh(1 + 80 / (d * 0.35)), 12.0)  # to where the integrand is negligible
    u = np.linspace(-width, width, nodes)
    # q = saddle·(1 + sin(iu − bend))/(1 − sin bend): crosses the real axis at the saddle, opens to the left
    q = saddle * (1 + np.sin(1j * u - bend)) / (1 - np.sin(bend))
    slope = saddle * 1j * np.cos(1j * u - bend) / (1 - np.sin(bend))
    log_factor = (q - saddle) * batch_size / 2 - d / 2 * np.log(q / saddle)
    weight = np.exp(log_factor) * slope
    weight = weight / np.sum(weight)  # the constant in front: the kernel 1 must give 1
    variance = d / batch_size / q
    same, other = kernel(variance, variance), kernel(variance, -variance / d)
    return float(np.sum(weight * same).real), float(np.sum(weight * other).real)
