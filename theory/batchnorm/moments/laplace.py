"""The Laplace method for the moments of one BN layer: closed forms for positive-homogeneous φ, for any ε.

For h_p(z) = e·|z|^p + o·sign(z)|z|^p, expectations over the sphere are Gaussian ones divided by a moment of the radius,
and Gaussian ones are hypergeometric: E|g|^p|g′|^q = m_p·m_q·₂F₁(−p/2, −q/2; 1/2; c²) and, with signs,
c·m_(p+1)·m_(q+1)·₂F₁((1−p)/2, (1−q)/2; 3/2; c²), m_p = E|g|^p. (Summed Hermite series; E.1.1 for p = q integer.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.moments.moments import Moments
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import homogeneous
from phasemap.theory.integrals.radius import pochhammer


@dataclass(frozen=True)
class _Power:
    """e·|z|^p + o·sign(z)|z|^p."""

    even: float
    odd: float
    degree: float

    def times_x(self, power: int) -> _Power:
        """z^power times this function."""
        even, odd = (self.even, self.odd) if power % 2 == 0 else (self.odd, self.even)
        return _Power(even, odd, self.degree + power)


def _absolute_moment(p: float) -> float:
    return float(2 ** (p / 2) * special.gamma((p + 1) / 2) / np.sqrt(np.pi)) if p > -1 else float("inf")


def homogeneous_moments(
    activation: Activation, batch_size: int, scales: Float[np.ndarray, " t"]
) -> tuple[Moments, Moments]:
    """Moments at each scale t by closed forms; exact to rounding, so fine and coarse are the same.

    Raises:
        InputError: φ is not positive-homogeneous of a degree above 0.
    """
    phi = homogeneous(activation)
    if phi is None:
        raise InputError(f"--method laplace: {activation.label} is not positive-homogeneous")
    d, c = batch_size - 1, -1 / (batch_size - 1)
    alpha = phi.alpha
    f = _Power((phi.a - phi.b) / 2, (phi.a + phi.b) / 2, alpha)
    g = _Power(alpha * (phi.a + phi.b) / 2, alpha * (phi.a - phi.b) / 2, alpha - 1)

    def sphere(value: float, degree: float) -> Float[np.ndarray, " 1"]:
        """A Gaussian moment of total ``degree`` divided by E ρ^degree."""
        return np.atleast_1d(value / (2 ** (degree / 2) * float(pochhammer(d / 2, degree / 2))))

    def one(h: _Power) -> Float[np.ndarray, " 1"]:
        value = h.even * _absolute_moment(h.degree) if h.even else 0.0
        return sphere(value, h.degree)

    def pair(left: _Power, right: _Power) -> Float[np.ndarray, " 1"]:
        p, q = left.degree, right.degree
        even = odd = 0.0
        if left.even * right.even:
            even = _absolute_moment(p) * _absolute_moment(q) * float(special.hyp2f1(-p / 2, -q / 2, 0.5, c * c))
        if left.odd * right.odd:
            odd = c * _absolute_moment(p + 1) * _absolute_moment(q + 1)
            odd *= float(special.hyp2f1((1 - p) / 2, (1 - q) / 2, 1.5, c * c))
        return sphere(left.even * right.even * even + left.odd * right.odd * odd, p + q)

    def square(h: _Power, power: int) -> Float[np.ndarray, " 1"]:
        degree = 2 * h.degree + power
        return sphere(float((h.even**2 + h.odd**2) * _absolute_moment(degree)), degree)

    in_f, in_g = d**alpha, d ** (alpha - 1)  # two factors φ(√d·x), two factors φ′(√d·x)
    at_one = Moments.of(
        f=one(f) * np.sqrt(in_f),
        fx=one(f.times_x(1)) * np.sqrt(in_f),
        ff=square(f, 0) * in_f,
        ffxx=square(f, 2) * in_f,
        f00=pair(f, f) * in_f,
        f11=pair(f.times_x(1), f.times_x(1)) * in_f,
        f20=pair(f.times_x(2), f) * in_f,
        g=one(g) * np.sqrt(in_g),
        gxx=one(g.times_x(2)) * np.sqrt(in_g),
        gg=square(g, 0) * in_g,
        ggxx=square(g, 2) * in_g,
        ggxxxx=square(g, 4) * in_g,
        g00=pair(g, g) * in_g,
        g11=pair(g.times_x(1), g.times_x(1)) * in_g,
        g20=pair(g.times_x(2), g) * in_g,
        g22=pair(g.times_x(2), g.times_x(2)) * in_g,
        g31=pair(g.times_x(3), g.times_x(1)) * in_g,
    )
    moments = at_one.scaled(scales, alpha)
    return moments, moments
