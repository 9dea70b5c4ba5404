"""The singular values of one BN layer's Jacobian, wide network, at the BSB1 fixed point (the remark after Thm 3.9).

𝒥 = ∂h^(l+1)/∂h^l between the centred pre-activations of a batch, h^(l+1) = W·φ(BN(h^l)): a matrix of side (B−1)·N.
Unit a contributes its own A_a = eᵀ·∂φ(BN(h_a))/∂h_a·e, of side B−1 (e: an orthonormal basis of the centred batch), and
𝒥 has the blocks W_ba·A_a. As N → ∞ the resolvent of 𝒥·𝒥ᵀ averaged over units is a multiple of the identity, because
permutations of the samples act irreducibly on the centred batch. Hence the squared singular values of 𝒥 follow the free
multiplicative convolution of the Marchenko–Pastur law (ratio 1) and the law of t, the squared singular values of
σ_w·A_a. Their mean is E t = λ_G↓.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from scipy import optimize, special

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.whole_batch.covariance import SCRAMBLES, Sample, centre
from phasemap.theory.errors import InputError

ZERO = 1e-12  # squared singular values below this share of the unit's largest are rounding
ATOMS = 1024  # groups of t that stand for its law: shares are right to 1e-3
ITERATIONS, HEIGHTS = 100, np.geomspace(1.0, 1e-9, 40)  # imaginary part of s², relative, on the way to the real axis


@dataclass(frozen=True)
class LayerJacobian:
    """The law of the squared singular values of 𝒥.

    Attributes:
        units: t, the squared singular values of σ_w·A_a, of n sampled units in each of 8 scrambles.
        radius2: ρ² of the same units: the squared length of the centred pre-activation, divided by μ*.
        scale_free: whether ε = 0, so that t ∝ 1/ρ² at a given direction of the pre-activation.
    """

    units: Float[np.ndarray, "scrambles n rank"]
    radius2: Float[np.ndarray, "scrambles n"]
    scale_free: bool

    def _unit_moment(self, power: int) -> tuple[float, float]:
        """E t^power and its standard error; at ε = 0 the average over ρ is exact. NaN where it diverges."""
        values = np.mean(self.units**power, axis=2)
        if self.scale_free:
            half = self.units.shape[2] / 2
            if half <= power:
                return float("nan"), float("nan")
            inverse = np.exp(special.gammaln(half - power) - special.gammaln(half)) / 2**power  # E ρ^(−2·power)
            values = values * self.radius2**power * inverse
        means = values.mean(axis=1)
        return float(means.mean()), float(means.std(ddof=1) / np.sqrt(SCRAMBLES))

    @property
    def mean_square(self) -> tuple[float, float]:
        """The mean squared singular value, λ_G↓, and its standard error; NaN at B = 3, ε = 0, where it diverges."""
        return self._unit_moment(1)

    @property
    def spread(self) -> tuple[float, float]:
        """The variance of the squared singular values, E t², and its standard error; NaN at ε = 0, B ≤ 5: divergent."""
        return self._unit_moment(2)

    @property
    def zero_share(self) -> float:
        """The share of singular values that are 0: BN removes one direction of each unit, and φ those where φ′ is 0."""
        largest = self.units.max(axis=2, keepdims=True)
        return float(np.mean(self.units <= ZERO * np.maximum(largest, 1e-300)))

    def _atoms(self) -> tuple[Float[np.ndarray, "atoms 1"], float]:
        """t > 0, sorted, in groups of equal size replaced by their means, and the weight of each."""
        count = round((1 - self.zero_share) * self.units.size)
        groups = np.array_split(np.sort(self.units, axis=None)[self.units.size - count :], min(ATOMS, count))
        return np.array([[group.mean()] for group in groups]), count / self.units.size / len(groups)

    def resolvent(self, shift: float) -> float:
        """E 1/(s² + shift) over the singular values s: g = 1/(shift + E t/(1+g·t)).

        Raises:
            InputError: a shift that is not above 0.
        """
        if not shift > 0:
            raise InputError(f"shift {shift}: expected a number above 0")
        t, weight = self._atoms()

        def excess(g: float) -> float:
            return float(g * shift + weight * np.sum(g * t / (1 + g * t)) - 1)

        return float(optimize.brentq(excess, 0.0, 1 / shift, xtol=1e-14 / shift))

    def _stieltjes(self, x: Float[np.ndarray, " x"]) -> Complex[np.ndarray, " x"]:
        """m(x + i0) of the law of s²: −1/m + E t/(1+t·m) = x + i0, Im m > 0.

        By iteration well above the real axis, then by Newton's method down to it.
        """
        t, weight = self._atoms()
        m = 1j / np.sqrt(x)
        for _ in range(ITERATIONS):
            m = (m + 1 / (weight * np.sum(t / (1 + t * m), axis=0) - x * (1 + 1j * HEIGHTS[0]))) / 2
        for height in HEIGHTS:
            for _ in range(3):
                part = t / (1 + t * m)
                value = weight * np.sum(part, axis=0) - 1 / m - x * (1 + 1j * height)
                m = m - value / (1 / m**2 - weight * np.sum(part**2, axis=0))
        return m

    def density(self, s: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
        """The density of the singular values at s > 0; with ``zero_share`` it integrates to 1."""
        return np.asarray(2 * s * self._stieltjes(np.asarray(s, dtype=float) ** 2).imag / np.pi)

    def share_below(self, s: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
        """The share of singular values below s > 0, zeros included.

        E log(s′² − z) = E log(1 + t·m) − log m − z·m − 1, as the derivative by m vanishes where m solves its equation;
        the share is −1/π times its imaginary part at z = s² + i0.
        """
        x = np.asarray(s, dtype=float) ** 2
        m, (t, weight) = self._stieltjes(x), self._atoms()
        return np.asarray((np.angle(m) - weight * np.sum(np.angle(1 + t * m), axis=0) + x * m.imag) / np.pi)


def layer_jacobian(
    activation: Activation,
    batch_size: int,
    *,
    eps: float = 0.0,
    sigma_w: float = 1.0,
    log2_points: int = 10,
    seed: int = 0,
) -> LayerJacobian:
    """The law of a layer's singular values at the BSB1 fixed point, from 8 × 2^log2_points quasi-random units.

    Raises:
        InputError: a batch size or scale without an answer, or a signal that collapses (μ* = 0).
    """
    mu = batchnorm_record(activation, batch_size, eps=eps, sigma_w=sigma_w)["mu_star"]
    if not mu:
        raise InputError(
            f"{activation.label}, batch size {batch_size}, eps {eps:g}: the signal collapses (mu_star = 0)"
        )
    basis = np.linalg.eigh(centre(np.eye(batch_size)))[1][:, 1:]
    units, radius2 = [], []
    for points in Sample.draw(batch_size - 1, log2_points, seed).points:
        y = np.sqrt(mu) * points @ basis.T
        inverse = 1 / np.sqrt(np.mean(y * y, axis=1, keepdims=True) + eps)
        z = y * inverse
        slope = activation.derivative(z) * inverse
        along = z @ basis  # z lies in the centred space
        left = slope[:, :, None] * (basis - z[:, :, None] * along[:, None, :] / batch_size)
        unit = np.swapaxes(basis.T @ left, 1, 2)
        units.append(sigma_w**2 * np.linalg.svd(unit, compute_uv=False) ** 2)
        radius2.append(np.sum(points**2, axis=1))
    return LayerJacobian(np.array(units), np.array(radius2), eps == 0)
