"""Expansions of the transforms at large variance, and of c in e (Lemmas D.1 to D.5 of Deep Mean Field Theory)."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import integrate

# Lemma D.4 (its statement says tanh, its proof and use mean tanh′): V tanh′(q) = (2/3)√(2/π)·q^(−1/2) + Θ(q^(−3/2))
TANH_DERIVATIVE_COEFFICIENT = 2 / 3 * math.sqrt(2 / math.pi)
# Lemma D.5: 1 − V tanh(q) = √(2/π)·q^(−1/2) + Θ(q^(−3/2))
TANH_DEFICIT_COEFFICIENT = math.sqrt(2 / math.pi)


def large_variance_series(phi: Callable[[float], float], terms: int) -> list[float]:
    """C_0, …, C_(terms−1) of Vφ(q) = q^(−1/2)·Σ C_n·q^(−n), for a φ with φ² integrable against every power.

    C_n = (−1)^n/(2^n·n!·√(2π))·∫ φ(z)²·z^(2n) dz. Source: Lemma D.2; for φ = sech^d, Lemma D.3.
    """

    def integral(n: int) -> float:
        def both_sides(z: float) -> float:
            return (phi(z) ** 2 + phi(-z) ** 2) * z ** (2 * n)

        return float(integrate.quad(both_sides, 0, math.inf, epsabs=0, limit=200)[0])

    return [(-1) ** n / (2**n * math.factorial(n) * math.sqrt(2 * math.pi)) * integral(n) for n in range(terms)]


def hidden_cosine(e: float, bias_ratio: float) -> float:
    """c = (e + r)/(1 + r), with r = V_b/(V_w·p̲) = (σ_b²/σ_w²)·l^(β_w−β_b)/p̲. Exact; Lemma D.1 expands it."""
    return 1.0 if math.isinf(bias_ratio) else (e + bias_ratio) / (1 + bias_ratio)


def hidden_cosine_expansion(e: float, bias_ratio: float, around: float) -> float:
    """Lemma D.1 to first order in its small quantity.

    Args:
        around: the limit of r: ∞ (the bias dominates: c = 1 − (1 − e)/r), 0 (the weights do: c = e + r·(1 − e), where
            the lemma prints e − r·(1 − e)), or r₀ between (p ~ C·l^(β_w−β_b): c = c₀ + (r − r₀)(1 − e)/(1 + r₀)²).
    """
    if math.isinf(around):
        return 1 - (1 - e) / bias_ratio
    return hidden_cosine(e, around) + (bias_ratio - around) * (1 - e) / (1 + around) ** 2
