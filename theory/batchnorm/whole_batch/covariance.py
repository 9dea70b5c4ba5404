"""The covariance of a whole batch, layer by layer, from any input: V_Bφ(Σ) and its backward operator for a general Σ.

Σ^(l+1) = σ_w²·V_Bφ(Σ^l) + σ_b²·11ᵀ and Π^l = σ_w²·E[J(h)ᵀ·Π^(l+1)·J(h)], h ~ N(0, Σ^l), Eqs. 8 and 17 (Π of the
gradient with respect to pre-activations); with skip connections Σ^l and Π^(l+1) are added. Two methods: the Laplace
integral (Thm 3.2 and its counterparts of App. G.2, extended to a general Σ and to ε > 0) for homogeneous φ, a single
1-D integral; and randomised quasi-Monte Carlo over the sphere (Thm 3.3) for any φ, with a standard error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg, special

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError
from phasemap.theory.homogeneous import Homogeneous, homogeneous

Gram = Float[np.ndarray, "batch batch"]

LAPLACE_STEP = 0.4  # in log s; halved, results change by rounding only
SCRAMBLES = 8


@dataclass(frozen=True)
class Layer:
    """A BN layer's settings, as in ``phasemap.theory.batchnorm.record``.

    Attributes:
        skip: whether h^l is added to what the layer makes of it (``phasemap.theory.batchnorm.skip_connections``).
    """

    activation: Activation
    eps: float = 0.0
    sigma_w: float = 1.0
    sigma_b: float = 0.0
    skip: bool = False


def centre(gram: Gram) -> Gram:
    """Σ^G = G·Σ·G: the covariance after subtracting the batch mean."""
    return gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean()


def input_gram(inputs: Float[np.ndarray, "batch features"], sigma_w: float = 1.0, sigma_b: float = 0.0) -> Gram:
    """Σ¹ = σ_w²·XXᵀ/N + σ_b²: the covariance of the first layer's pre-activations of a batch of real inputs."""
    x = np.asarray(inputs, dtype=float)
    return sigma_w**2 * (x @ x.T) / x.shape[1] + sigma_b**2


def _spectrum(gram: Gram) -> tuple[Float[np.ndarray, " rank"], Float[np.ndarray, "batch rank"]]:
    """Non-zero eigenvalues and eigenvectors of Σ^G.

    Raises:
        InputError: Σ^G = 0, so that BN divides by zero.
    """
    values, vectors = np.linalg.eigh(centre(gram))
    keep = values > 1e-13 * max(float(values[-1]), 0.0)
    if not keep.any() or values[-1] <= 0:
        raise InputError("the samples of the batch are equal, so their batch variance is 0")
    return values[keep], vectors[:, keep]


def _laplace_nodes(
    values: Float[np.ndarray, " rank"], alpha: float, eps: float, batch_size: int
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """s and log(weight of ds) for integrands s^(α−1)·det(I+2sΣ)^(−1/2)·e^(−sBε)·(bounded), s = e^u, trapezoid in u."""
    low = -np.log(values[-1]) - 40 / alpha
    high = -np.log(values[0]) + 80 / max(len(values) - 2, 0.5)
    if eps > 0:
        high = min(high, np.log(60 / (batch_size * eps)))
    u = np.arange(low, max(high, low + 8), LAPLACE_STEP)
    s = np.exp(u)
    log_weight = u - 0.5 * np.log1p(2 * s[:, None] * values).sum(axis=1) - s * batch_size * eps
    return s, log_weight + np.log(LAPLACE_STEP)


def _correlations(covariance: Gram) -> tuple[Float[np.ndarray, " batch"], Gram]:
    """Standard deviations and correlations."""
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    c = np.clip(covariance / np.outer(deviation, deviation), -1, 1)
    np.fill_diagonal(c, 1.0)
    return deviation, c


def laplace_forward(gram: Gram, phi: Homogeneous, eps: float = 0.0) -> Gram:
    """V_Bφ(Σ) = B^α/Γ(α)·∫ds s^(α−1)·e^(−sBε)·det(I+2sΣ^G)^(−1/2)·V_φ(Σ^G(I+2sΣ^G)⁻¹) (Thm 3.2)."""
    batch_size, alpha = len(gram), phi.alpha
    values, vectors = _spectrum(gram)
    total = np.zeros_like(gram)
    nodes, log_weights = _laplace_nodes(values, alpha, eps, batch_size)
    for s, log_weight in zip(nodes, log_weights, strict=True):
        covariance = (vectors * (values / (1 + 2 * s * values))) @ vectors.T
        deviation, c = _correlations(covariance)
        scaled = deviation * np.sqrt(batch_size * s)  # s^α·B^α·D^α in one bounded power
        total += np.exp(log_weight) / s * np.outer(scaled, scaled) ** alpha * phi.kernel(c)
    return phi.c_alpha / special.gamma(alpha) * total


def laplace_backward(gram: Gram, phi: Homogeneous, gradient: Gram, eps: float = 0.0) -> Gram:
    """E[Jᵀ·Π·J] for h ~ N(0, Σ), by the adjoints of the integrals A, B, C of App. G.2, at a general Σ.

    Needs rank Σ^G ≥ 3 when ε = 0 (else E r^(−2) diverges) and α > 1/2.

    Raises:
        InputError: the expectation diverges.
    """
    batch_size, alpha = len(gram), phi.alpha
    values, vectors = _spectrum(gram)
    if eps == 0 and len(values) < 3:
        raise InputError("the batch spans fewer than three dimensions, so the mean squared gradient diverges at eps 0")
    if alpha <= 0.5:
        raise InputError("E φ′² diverges for degree at most 1/2")
    slope = Homogeneous(phi.a * alpha, -phi.b * alpha, alpha - 1)  # φ′
    total = np.zeros_like(gram)
    nodes, log_weights = _laplace_nodes(values, alpha, eps, batch_size)
    for s, log_weight in zip(nodes, log_weights, strict=True):
        covariance = (vectors * (values / (1 + 2 * s * values))) @ vectors.T
        deviation, c = _correlations(covariance)
        kernel, kernel_slope = phi.kernel(c), phi.kernel_slope(np.where(np.eye(batch_size, dtype=bool), 0.0, c))
        size = np.outer(deviation, deviation) ** (alpha - 1)
        second = phi.c_alpha * size * np.outer(deviation, deviation) * kernel  # V_φ(S)
        # ∂V_ij/∂S_ij and ∂V_ij/∂S_ii of Prop E.22; on the diagonal ∂V_ii/∂S_ii
        off = phi.c_alpha * size * kernel_slope
        mixed = phi.c_alpha / 2 * size * (alpha * kernel - c * kernel_slope) * deviation[None, :] / deviation[:, None]
        np.fill_diagonal(off, 0.0)
        np.fill_diagonal(mixed, alpha * np.diag(second) / deviation**2 / 2)
        adjoint = gradient * off + np.diag(2 * np.sum(gradient * mixed, axis=1))
        slopes = slope.c_alpha * size * slope.kernel(c)
        pulled = covariance @ adjoint
        order0 = gradient * slopes
        order1 = alpha * (pulled + pulled.T)
        order2 = alpha**2 * (covariance * np.sum(gradient * second) + 2 * pulled @ covariance)
        power = s**alpha / special.gamma(alpha)
        total += np.exp(log_weight) / s * power * (order0 - s / alpha * order1 + s * s / (alpha * (alpha + 1)) * order2)
    return centre(batch_size**alpha * total)


@dataclass(frozen=True)
class Sample:
    """Scrambled quasi-random standard normal points, and the sum over points with its error over scrambles."""

    points: tuple[Float[np.ndarray, "n dimension"], ...]

    @staticmethod
    def draw(dimension: int, log2_points: int = 13, seed: int = 0) -> Sample:
        """SCRAMBLES independent scrambles of 2^log2_points Sobol points each."""
        from scipy.stats import qmc

        seeds = np.random.SeedSequence(seed).spawn(SCRAMBLES)
        sets = (qmc.Sobol(dimension, seed=np.random.default_rng(s)).random_base2(log2_points) for s in seeds)
        return Sample(tuple(special.ndtri(np.clip(u, 1e-16, 1 - 1e-16)) for u in sets))


def _root(gram: Gram) -> Float[np.ndarray, "dimension batch"]:
    """Takes B−1 independent normal variables to h − mean(h)."""
    values, vectors = _spectrum(gram)
    return np.asarray(linalg.helmert(len(gram)) @ (vectors * np.sqrt(values)) @ vectors.T)


def _normalised(
    points: Float[np.ndarray, "n dimension"], gram: Gram, eps: float
) -> tuple[Float[np.ndarray, "n batch"], Float[np.ndarray, "n 1"]]:
    """BN's output for h ~ N(0, Σ), and 1/√(variance + ε).

    By the symmetric root of Σ^G: the same points give nearly the same output for nearly the same Σ, so that iterating
    Σ with them converges.
    """
    y = points @ _root(gram)
    inverse = 1 / np.sqrt(np.mean(y * y, axis=1, keepdims=True) + eps)
    return y * inverse, inverse


def sampled_forward(gram: Gram, layer: Layer, sample: Sample) -> tuple[Gram, float]:
    """V_Bφ(Σ) by quasi-Monte Carlo and the standard error of its entries (the largest)."""
    estimates = []
    for points in sample.points:
        z, _ = _normalised(points, gram, layer.eps)
        f = layer.activation.phi(z)
        estimates.append(f.T @ f / len(points))
    return np.mean(estimates, axis=0), float(np.max(np.std(estimates, axis=0, ddof=1))) / np.sqrt(SCRAMBLES)


def sampled_backward(gram: Gram, layer: Layer, gradient: Gram, sample: Sample) -> tuple[Gram, float]:
    """E[Jᵀ·Π·J] by quasi-Monte Carlo and the standard error of its entries (the largest)."""
    estimates = []
    batch_size = len(gram)
    for points in sample.points:
        z, inverse = _normalised(points, gram, layer.eps)
        g = layer.activation.derivative(z)
        weight = inverse**2 / len(points)
        row = g * ((g * z) @ gradient) / batch_size  # DΠD·z/B
        inner = np.sum(z * row, axis=1, keepdims=True) / batch_size
        mixed = (weight * z).T @ row
        estimates.append(gradient * ((weight * g).T @ g) - mixed - mixed.T + (weight * inner * z).T @ z)
    mean = centre(np.mean(estimates, axis=0))
    return mean, float(np.max(np.std([centre(e) for e in estimates], axis=0, ddof=1))) / np.sqrt(SCRAMBLES)


@dataclass(frozen=True)
class Transient:
    """Σ^1 … Σ^L, one array for each layer, and the largest standard error of an entry (0 for closed forms)."""

    grams: tuple[Gram, ...]
    error: float = 0.0

    @property
    def spread(self) -> Float[np.ndarray, " depth"]:
        """tr Σ^G/(B−1) by layer: tends to μ* of the BSB1 fixed point."""
        return np.array([np.trace(centre(gram)) / (len(gram) - 1) for gram in self.grams])


def _points(layer: Layer, batch_size: int, log2_points: int, seed: int) -> Sample | None:
    """The points to average over, or None if a closed form exists."""
    phi = homogeneous(layer.activation)
    return None if phi is not None else Sample.draw(batch_size - 1, log2_points, seed)


def next_gram(gram: Gram, layer: Layer, sample: Sample | None = None) -> tuple[Gram, float]:
    """Σ^(l+1) from Σ^l: by the Laplace integral without a sample (homogeneous φ), else by quasi-Monte Carlo."""
    phi = homogeneous(layer.activation)
    if sample is None:
        if phi is None:
            raise InputError(f"{layer.activation.label} is not positive-homogeneous: a sample is needed")
        moments, error = laplace_forward(gram, phi, layer.eps), 0.0
    else:
        moments, error = sampled_forward(gram, layer, sample)
    return layer.sigma_w**2 * moments + layer.sigma_b**2, layer.sigma_w**2 * error


def next_turned_gram(
    gram: Gram,
    layer: Layer,
    points: Float[np.ndarray, "n dimension"],
    rotation: Float[np.ndarray, "dimension dimension"],
) -> Gram:
    """Σ^(l+1) from Σ^l, by the points turned by a rotation; in the points' precision."""
    y = points @ (rotation @ _root(gram)).astype(points.dtype)
    variance = np.mean(y * y, axis=1, keepdims=True, dtype=points.dtype)
    f = layer.activation.phi(y / np.sqrt(variance + points.dtype.type(layer.eps)))
    return layer.sigma_w**2 * np.asarray(f.T @ f, dtype=float) / len(points) + layer.sigma_b**2


def propagate(first: Gram, layer: Layer, depth: int, *, log2_points: int = 13, seed: int = 0) -> Transient:
    """Σ^1 … Σ^depth from Σ^1, the covariance of the first pre-activations (``input_gram``).

    Args:
        first: B×B, symmetric, positive semidefinite; not all samples equal.
        log2_points: of each of the 8 scrambled point sets, for φ without a closed form.
    """
    sample = _points(layer, len(first), log2_points, seed)
    grams, worst = [np.asarray(first, dtype=float)], 0.0
    for _ in range(depth - 1):
        gram, error = next_gram(grams[-1], layer, sample)
        grams.append(grams[-1] + gram if layer.skip else gram)
        worst = max(worst, error)
    return Transient(tuple(grams), worst)


def backpropagate(
    transient: Transient, layer: Layer, top: Gram | None = None, *, log2_points: int = 13, seed: int = 0
) -> tuple[Gram, ...]:
    """Π^1 … Π^L of the gradients with respect to pre-activations, from Π^L ∝ ``top`` at the last layer.

    tr Π^l is proportional to the expected squared gradient norm at layer l. The default top is the identity: gradients
    of the samples independent and of equal size.
    """
    batch_size = len(transient.grams[0])
    phi, sample = homogeneous(layer.activation), _points(layer, batch_size, log2_points, seed)
    gradient = np.eye(batch_size) if top is None else np.asarray(top, dtype=float)
    gradients = [gradient]
    for gram in reversed(transient.grams[:-1]):
        if sample is None:
            assert phi is not None
            below = laplace_backward(gram, phi, gradients[-1], layer.eps)
        else:
            below, _ = sampled_backward(gram, layer, gradients[-1], sample)
        below = layer.sigma_w**2 * below
        gradients.append(gradients[-1] + below if layer.skip else below)
    return tuple(reversed(gradients))


def weight_gradient(gradient: Gram, layer_input: Gram) -> float:
    """E (∂Loss/∂W_αβ)² = ⟨Π^l, second moment of the layer's input⟩ (App. L), W with variance σ_w²/fan_in.

    At the BSB1 fixed point, where the input's second moment is (Σ* − σ_b²)/σ_w², it is (μ*/σ_w²)·tr Π^l: weight
    gradients explode at the same rate λ_G↓.
    """
    return float(np.sum(gradient * layer_input))
