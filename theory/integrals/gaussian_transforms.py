"""The V and W transforms of Defn C.1 (Deep Mean Field Theory): Gaussian second moments of φ(h) and of φ′(h).

For (z, z′) jointly Gaussian with variances q and covariance λ, and the gap t = q − λ = ½E(z − z′)²:

    Vφ(q) = E φ(z)²,   Vφ′(q) = E φ′(z)²,   Wφ(q, λ) = E φ(z)φ(z′),   Dφ(q, t) = Vφ(q) − Wφ(q, λ) = ½E(φ(z) − φ(z′))².

D is what moves the squared distance s of two inputs; taken from V − W it would lose every digit as c = λ/q → 1, so each
family below has its own formula for it. Three families need no quadrature per point:

* degree 1 (relu, leaky-relu, abs, identity): arc-cosine kernel (Cho & Saul 2009);
* mixtures of erf(z/(k√2)) over k (erf; tanh, see ``phasemap.theory.integrals.tanh_as_erf_mixture``): arcsine kernel;
* sin: characteristic function.

Everything else goes to ``phasemap.theory.integrals.gaussian_quadrature``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from phasemap.theory.activations import Activation
from phasemap.theory.integrals.gaussian_closed_forms import DegreeOne, ErfMixture, Sine
from phasemap.theory.integrals.gaussian_moments import Array, Moments, Transforms


def transforms(activation: Activation) -> Transforms:
    """The fastest exact transforms for ``activation``: a closed form where there is one, else quadrature to 1e-10."""
    if activation.degree == 1:
        return DegreeOne(float(activation.phi(1.0)), float(activation.phi(-1.0)))
    if activation.label == "tanh":
        return _tanh()
    if activation.label == "erf":
        return ErfMixture.of(np.array([np.sqrt(0.5)]), np.array([1.0]))
    if activation.label == "sin":
        return Sine()
    from phasemap.theory.integrals.gaussian_quadrature import Quadrature

    return Quadrature(activation)


@lru_cache
def _tanh() -> ErfMixture:
    from phasemap.theory.integrals.tanh_as_erf_mixture import tanh_mixture

    return ErfMixture.of(*tanh_mixture())


def is_closed(activation: Activation) -> bool:
    """Whether no quadrature is needed: 0.1 ms a point, against 5 to 20 ms."""
    return activation.degree == 1 or activation.label in ("tanh", "erf", "sin")


def moments(activation: Activation, variance: float | Array, covariance: float | Array) -> Moments:
    """V, V of φ′, W and D at variance q and covariance λ, scalars or arrays that broadcast together.

    Source: Defn C.1, Deep Mean Field Theory. Accuracy 1e-10 relative, also at q ~ 1e6 and λ → q.
    """
    q, lam = np.broadcast_arrays(np.asarray(variance, dtype=float), np.asarray(covariance, dtype=float))
    flat = transforms(activation)(q.ravel(), (q - lam).ravel(), lam.ravel())
    return Moments(*(part.reshape(q.shape) for part in (flat.v, flat.v_derivative, flat.w, flat.gap)))
