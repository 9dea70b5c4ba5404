"""Growth laws of ReLU residual networks with variance variation (Thms C.9, C.10, C.11, as corrected).

p̲ → p is linear: p = p̲·(1 + W_r·l^(−V_r)) + C·l^(−U_r) + …, with

    V_r = β_v + β_w,   U_r = min(β_v + β_b, β_a),   W_r = σ_v²σ_w²/2,

C the sum of ½σ_v²σ_b² and σ_a² whose exponent is U_r; a term with σ = 0 does not count. Hence everything follows from
Lemmas D.7 and D.8, and the parameters' gradients from Table A.2 by multiplication of laws.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from phasemap.theory.errors import InputError
from phasemap.theory.residual.growth_laws.decay import CosineLimit, Decay
from phasemap.theory.residual.growth_laws.law import GrowthLaw, forced_product_law, power_law, product_law, tidy


def v_r(decay: Decay) -> float:
    """V_r = β_v + β_w; infinite if σ_v·σ_w = 0, as no term then multiplies p."""
    return tidy(decay.beta_v + decay.beta_w) if decay.sigma_v * decay.sigma_w else math.inf


def w_r(decay: Decay) -> float:
    return (decay.sigma_v * decay.sigma_w) ** 2 / 2


def _forcing(decay: Decay) -> dict[float, float]:
    """Exponent → coefficient of the terms added to p."""
    terms: dict[float, float] = {}
    for exponent, coefficient in (
        (decay.beta_v + decay.beta_b, (decay.sigma_v * decay.sigma_b) ** 2 / 2),
        (decay.beta_a, decay.sigma_a**2),
    ):
        if coefficient:
            terms[tidy(exponent)] = terms.get(tidy(exponent), 0.0) + coefficient
    return terms


def u_r(decay: Decay) -> float:
    """U_r = min(β_v + β_b, β_a) over the terms that exist; infinite if neither does."""
    return min(_forcing(decay), default=math.inf)


def relu_laws(decay: Decay) -> dict[str, GrowthLaw]:
    """Laws of p, Δp (``step``), q, and of χ^(0)/χ^(l) (``chi``) and χ_•^(1)/χ_•^(l) (``chi_w``, ``chi_b``, …).

    Source: Thms C.9 and C.11. Corrections (docs/errata-resnet.md): χ_w and χ_b carry l^β_v in every case, and
    Δp = Θ(l^(−min(U_r, V_r))) for V_r, U_r > 1.
    """
    growth, decay_v, decay_u = w_r(decay), v_r(decay), u_r(decay)
    factor = product_law(growth, decay_v) if growth else GrowthLaw(coefficient=1.0, source="Lemma D.7")
    if math.isinf(decay_u):
        p = replace(factor, coefficient=None)
    else:
        coefficient = _forcing(decay)[decay_u]
        p = forced_product_law(coefficient, decay_u, growth, min(decay_v, 2.0))
    p = replace(p, source="Thm C.9")
    multiplied = power_law(growth, -decay_v) * p if growth else None
    added = None if math.isinf(decay_u) else power_law(_forcing(decay)[decay_u], -decay_u)
    step = _sum(multiplied, added)
    variance_w = power_law(decay.sigma_w**2, -decay.beta_w) * p if decay.sigma_w else None
    variance_b = power_law(decay.sigma_b**2, -decay.beta_b) if decay.sigma_b else None
    q = _sum(variance_w, variance_b)
    chi = replace(factor, source="Thm C.11")
    by_bias = chi * power_law(1.0, decay.beta_v)
    return {
        "p": p,
        "step": replace(step, source="Thm C.9"),
        "q": replace(q, source="Thm C.9"),
        "chi": chi,
        "chi_a": replace(chi, coefficient=None),
        "chi_b": replace(by_bias, coefficient=None),
        "chi_w": replace(by_bias / p, coefficient=None),
        "chi_v": replace(chi / q, coefficient=None),
    }


def _sum(*laws: GrowthLaw | None) -> GrowthLaw:
    present = [law for law in laws if law is not None]
    if not present:
        raise InputError("sigma_w, sigma_b, sigma_v, sigma_a: expected some that are not 0, or nothing grows")
    total = present[0]
    for law in present[1:]:
        total = total + law
    return total


def relu_cosine_limit(decay: Decay) -> CosineLimit:
    """e* of a ReLU network with e^(0) < 1. Source: Thm C.10, with the rate corrected.

    1 if V_r ≤ 1 or U_r ≤ 1. Else below 1, depending on the input, at rate Θ(l^(1 − min(U_r, V_r))): the theorem has
    U_r alone, but W_r·l^(−V_r)·p also moves e, and more slowly if V_r < U_r.
    """
    slowest = min(v_r(decay), u_r(decay))
    if slowest <= 1:
        return CosineLimit(1.0, source="Thm C.10")
    return CosineLimit(None, None if math.isinf(slowest) else tidy(1 - slowest), source="Thm C.10")


def leading_terms(
    v_r: Float[np.ndarray, "*grid"], w_r: Float[np.ndarray, "*grid"], layers: Float[np.ndarray, "*grid"]
) -> dict[str, Float[np.ndarray, "*grid"]]:
    """log p's leading term for ReLU, with W_r, and as the paper prints it, with V_r.

    NaN unless (1−V_r)·ln l > 1: from there towards V_r = 1 the term grows again although log p does not, since what it
    leaves out is of the same size.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        power = layers ** (1 - v_r) / (1 - v_r)
        power = np.where((1 - v_r) * np.log(layers) > 1, power, np.nan)
    return {"W_r/(1−V_r)·l^(1−V_r)": w_r * power, "V_r/(1−V_r)·l^(1−V_r), as printed": v_r * power}
