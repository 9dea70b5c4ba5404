"""The Gauss–Newton matrix of softmax cross entropy at initialisation: its largest eigenvalue.

The loss is the mean over n samples of −log softmax(f_i)[y_i], with K logits f_i. Its Hessian without the second
derivatives of f is G = (1/n)·Σ_i J_iᵀ·S_i·J_i, J_i = ∂f_i/∂θ and S_i = diag(π_i) − π_i·π_iᵀ; G is also the Fisher
information matrix. Its eigenvalues other than 0 are those of (1/n)·S^½·Θ·S^½ with the tangent kernel Θ = J·Jᵀ. Gradient
descent on the quadratic that G describes is stable while lr·λ_max < 2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def largest_eigenvalue(kernel: Float[np.ndarray, "n K n K"], logits: Float[np.ndarray, "n K"]) -> float:
    """λ_max of the Gauss–Newton matrix, from the tangent kernel of all outputs and the logits."""
    samples, classes = logits.shape
    pi = np.exp(logits - logits.max(axis=1, keepdims=True))
    pi /= pi.sum(axis=1, keepdims=True)
    covariance = pi[:, :, None] * np.eye(classes) - pi[:, :, None] * pi[:, None, :]
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.transpose(0, 2, 1)
    matrix = np.einsum("iab,ibjc,jcd->iajd", root, kernel, root, optimize=True).reshape(samples * classes, -1)
    return float(np.linalg.eigvalsh(matrix)[-1]) / samples


def of_independent_outputs(kernel: Float[np.ndarray, "n n"], classes: int) -> Float[np.ndarray, "n K n K"]:
    """The kernel of K outputs that share no direction of parameter space, Θ ⊗ I: that of infinite width."""
    return np.einsum("ij,ab->iajb", kernel, np.eye(classes))


def uniform_eigenvalue(own: float, pair: float, samples: int, classes: int) -> float:
    """λ_max where every class has probability 1/K and Θ is ``own`` on the diagonal and ``pair`` ≥ 0 off it.

    (1/K)·(own + (n − 1)·pair)/n: S has the eigenvalue 1/K on the K − 1 directions that softmax sees. Source: Karakida,
    Akaho, Amari 2019, Thm 4, whose κ₁ and κ₂ are ``own`` and ``pair`` per parameter.
    """
    return (own + (samples - 1) * pair) / (samples * classes)
