"""Growth laws of tanh residual networks with variance variation, where q → ∞ (Thms C.5, C.6, C.7, as corrected).

    U_t = min(β_v, β_a),   W_t = 1 − β_w + U_t − 2β_v,   V_t = β_v + β_w.

Once q is large, V tanh → 1 and V tanh′ ~ (2/3)√(2/π)·q^(−1/2) (Lemmas D.4, D.5), so p is a sum of l^(−U_t) and log χ a
sum of l^(−V_t)·q^(−1/2).
"""

from __future__ import annotations

import math
from dataclasses import replace

from scipy import optimize

from phasemap.theory.errors import InputError
from phasemap.theory.residual.growth_laws.decay import CosineLimit, Decay
from phasemap.theory.residual.growth_laws.law import GrowthLaw, power_law, power_sum_law, tidy

SLOPE = 2 / 3 * math.sqrt(2 / math.pi)  # lim √q·V tanh′(q), Lemma D.4


def _terms(decay: Decay) -> dict[float, float]:
    """Exponent → coefficient of the terms added to p once V tanh = 1."""
    terms: dict[float, float] = {}
    for exponent, sigma in ((decay.beta_v, decay.sigma_v), (decay.beta_a, decay.sigma_a)):
        if sigma:
            terms[tidy(exponent)] = terms.get(tidy(exponent), 0.0) + sigma**2
    return terms


def u_t(decay: Decay) -> float:
    return min(_terms(decay), default=math.inf)


def w_t(decay: Decay) -> float:
    return tidy(1 - decay.beta_w + u_t(decay) - 2 * decay.beta_v)


def v_t(decay: Decay) -> float:
    return tidy(decay.beta_v + decay.beta_w)


def _require_growing_q(decay: Decay) -> None:
    slowest = u_t(decay)
    grows = decay.sigma_w > 0 and (tidy(decay.beta_w + slowest) < 1 or (slowest == 1 and decay.beta_w == 0))
    if not grows:
        raise InputError(
            f"beta_w {decay.beta_w}, min(beta_v, beta_a) {slowest}: q stays bounded, and the laws of tanh need q → ∞ "
            "(beta_w + min(beta_v, beta_a) < 1, or their sum 1 with beta_w = 0)"
        )


def tanh_laws(decay: Decay) -> dict[str, GrowthLaw]:
    """Laws of p, q, log χ^(l−1)/χ^(l) (``growth``), χ^(0)/χ^(l) (``chi``) and χ_•^(1)/χ_•^(l) (``chi_w``, …).

    Source: Thms C.5 (its constants divided by 1 − U_t, and σ_v²·log l: docs/errata-resnet.md) and C.6, with the leading
    coefficient of log χ; the parameters' ratios follow from Table A.2 and Lemma D.4.

    Raises:
        InputError: q does not grow.
    """
    _require_growing_q(decay)
    slowest = u_t(decay)
    p = replace(power_law(_terms(decay)[slowest], 0.0) * power_sum_law(-slowest), source="Thm C.5")
    q = replace(power_law(decay.sigma_w**2, -decay.beta_w) * p, source="Thm C.5")
    # Lemma D.4 in χ̲/χ = 1 + V_v·V_w·V tanh′(q)
    jacobian = power_law((decay.sigma_v * decay.sigma_w) ** 2 * SLOPE, -v_t(decay))
    growth = replace(jacobian * _power(q, -0.5), source="Thm C.6")
    chi = _exponential_of_sum(growth) if decay.sigma_v else GrowthLaw(source="Thm C.6")
    by_bias = chi * power_law(None, decay.beta_v) * _power(q, 0.5)
    return {
        "p": p,
        "q": q,
        "growth": growth,
        "chi": chi,
        "chi_a": chi,
        "chi_v": chi,
        "chi_b": by_bias,
        "chi_w": by_bias / p,
    }


def _power(law: GrowthLaw, power: float) -> GrowthLaw:
    assert law.coefficient is not None
    return GrowthLaw(
        exponent=tidy(power * law.exponent),
        log_exponent=power * law.log_exponent,
        coefficient=law.coefficient**power,
    )


def _exponential_of_sum(growth: GrowthLaw) -> GrowthLaw:
    """exp Σ_{m ≤ l} of a law K·l^x·(log l)^k with (k = 0) or (x = −1, k = −½), the two that occur in Thm C.6."""
    size, power, source = growth.coefficient, tidy(growth.exponent + 1), growth.source
    assert size is not None
    if power < 0:
        return GrowthLaw(source=source)
    if power > 0:
        return GrowthLaw(stretch_rate=size / power, stretch_power=power, source=source)
    if growth.log_exponent:
        return GrowthLaw(sqrt_log_rate=2 * size, source=source)
    return power_law(None, size, source)


def tanh_cosine_limit(decay: Decay) -> CosineLimit:
    """e* of a tanh network with 0 ≤ e^(0) < 1 and q → ∞. Source: Thm C.7.

    0 if β_a > β_v, 1 if β_a < β_v, else the solution below 1 of e = (σ_v²·(2/π)·arcsin e + σ_a²)/(σ_v² + σ_a²).
    With e = cos θ it reads r·(2/π)·θ = 2·sin²(θ/2), r = σ_v²/(σ_v² + σ_a²), which keeps 1 − e* when σ_a ≫ σ_v.

    At β_a = β_v and U_t < 1 the rate is that of the slower of two terms (own derivation): the linearised map, whose
    slope f′(e*) = r·(2/π)/√(1 − e*²) gives l^(−(1−U_t)(1−f′)), and V tanh − 1 ~ q^(−1/2).

    Raises:
        InputError: q does not grow.
    """
    _require_growing_q(decay)
    beta_a = decay.beta_a if decay.sigma_a else math.inf
    beta_v = decay.beta_v if decay.sigma_v else math.inf
    if beta_a != beta_v:
        return CosineLimit(0.0 if beta_a > beta_v else 1.0, source="Thm C.7")
    share = decay.sigma_v**2 / (decay.sigma_v**2 + decay.sigma_a**2)
    # below the root θ ≈ 4r/π the left side is larger; at π/2 it is the smaller, or equal for r = 1
    theta = optimize.brentq(lambda x: share * 2 / math.pi * x - 2 * math.sin(x / 2) ** 2, share, math.pi / 2 + 1e-12)
    if share == 1:
        return CosineLimit(0.0, source="Thm C.7")
    slope = share * 2 / math.pi / math.sin(theta)
    rates = ((1 - beta_v) * (1 - slope), (1 - beta_v - decay.beta_w) / 2)
    return CosineLimit(math.cos(theta), -min(rates) if beta_v < 1 else None, source="Thm C.7")
