"""Growth laws in depth, and the ones of elementary recurrences (Lemmas D.6 to D.8 of Deep Mean Field Theory).

A law is a leading form, as l → ∞,

    f(l) ~ C · G(l)^g · exp(A·l^a + B·√log l) · l^b · (log l)^k,   G(l) = Π_{m ≤ l} (1 + δ·m^(−β)), 0 ≤ β < 1.

The product G is kept as it is: its logarithm δ/(1−β)·l^(1−β) + R has a remainder R that grows for β ≤ 1/2, and is
linear in l at β = 0, so a law with the leading exponential alone would be off by an unbounded factor. C is None where
it depends on where the recurrence started: the law then says Θ, not ~. With A or B it says log f ~ A·l^a or B·√log l.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from phasemap.theory.errors import InputError

Layers = Int[np.ndarray, " layers"]


@dataclass(frozen=True)
class GrowthLaw:
    """One law; see the module's docstring for the form.

    Attributes:
        exponent: b. log_exponent: k. coefficient: C, or None for Θ only.
        stretch_rate, stretch_power: A and a. sqrt_log_rate: B.
        product_power: g. product_delta, product_beta: δ and β of G.
        source: the theorem or lemma.
    """

    exponent: float = 0.0
    log_exponent: float = 0.0
    coefficient: float | None = None
    stretch_rate: float = 0.0
    stretch_power: float = 0.0
    sqrt_log_rate: float = 0.0
    product_power: float = 0.0
    product_delta: float = 0.0
    product_beta: float = 0.0
    source: str = ""

    @property
    def regime(self) -> str:
        """``exponential`` (of a power of l), ``polynomial``, ``sub-polynomial`` (of log l), or ``constant``."""
        if self.product_power or self.stretch_rate:
            return "exponential"
        if self.exponent:
            return "polynomial"
        return "sub-polynomial" if self.log_exponent or self.sqrt_log_rate else "constant"

    @property
    def rate(self) -> tuple[float, float]:
        """(A, a) with log f ~ A·l^a in the exponential regime; (0, 0) in all others."""
        if not self.product_power:
            return self.stretch_rate, self.stretch_power
        delta, beta = self.product_delta, self.product_beta
        rate = math.log1p(delta) if beta == 0 else delta / (1 - beta)
        return self.product_power * rate, 1 - beta

    def log(self, layers: Layers) -> Float[np.ndarray, " layers"]:
        """log f(l) at integers l ≥ 2, with C = 1 where it is not known."""
        log_l = np.log(layers)
        value = np.full(len(layers), math.log(self.coefficient) if self.coefficient else 0.0)
        value += self.exponent * log_l + self.log_exponent * np.log(log_l) + self.sqrt_log_rate * np.sqrt(log_l)
        value += self.stretch_rate * layers**self.stretch_power
        if self.product_power:
            value += self.product_power * log_product(self.product_delta, self.product_beta, layers)
        return value

    def __mul__(self, other: GrowthLaw) -> GrowthLaw:
        known = self.coefficient is not None and other.coefficient is not None
        first = self if self.product_power or self.stretch_rate else other
        if self.rate[1] and other.rate[1]:
            kept = ("product_delta", "product_beta", "stretch_power")
            assert all(getattr(self, name) == getattr(other, name) for name in kept)
        return replace(
            first,
            exponent=tidy(self.exponent + other.exponent),
            log_exponent=self.log_exponent + other.log_exponent,
            sqrt_log_rate=self.sqrt_log_rate + other.sqrt_log_rate,
            coefficient=self.coefficient * other.coefficient if known else None,  # type: ignore[operator]
            stretch_rate=self.stretch_rate + other.stretch_rate,
            product_power=self.product_power + other.product_power,
            source=self.source,
        )

    def inverse(self) -> GrowthLaw:
        return replace(
            self,
            exponent=-self.exponent,
            log_exponent=-self.log_exponent,
            stretch_rate=-self.stretch_rate,
            sqrt_log_rate=-self.sqrt_log_rate,
            product_power=-self.product_power,
            coefficient=None if self.coefficient is None else 1 / self.coefficient,
        )

    def __truediv__(self, other: GrowthLaw) -> GrowthLaw:
        return self * other.inverse()

    def __add__(self, other: GrowthLaw) -> GrowthLaw:
        """The law of a sum of two positive sequences: the faster one's; both coefficients if they are equally fast."""
        first, second = self._speed(), other._speed()
        if first != second:
            return self if first > second else other
        known = self.coefficient is not None and other.coefficient is not None
        return replace(self, coefficient=self.coefficient + other.coefficient if known else None)  # type: ignore[operator]

    def _speed(self) -> tuple[float, ...]:
        return self.product_power, self.stretch_rate, self.exponent, self.sqrt_log_rate, self.log_exponent


def power_law(coefficient: float | None, exponent: float, source: str = "") -> GrowthLaw:
    return GrowthLaw(exponent=tidy(exponent), coefficient=coefficient, source=source)


def tidy(exponent: float) -> float:
    """Exponents are sums of the user's decimals: 0.3 − 0.1 − 0.2 is meant to be 0."""
    return round(exponent, 12) + 0.0


def log_product(delta: float, beta: float, layers: Layers) -> Float[np.ndarray, " layers"]:
    """log G(l) = Σ_{m ≤ l} log(1 + δ·m^(−β)), summed term by term."""
    terms = np.log1p(delta * np.arange(1.0, int(layers.max()) + 1) ** -beta)
    return np.cumsum(terms)[layers - 1]


def power_sum_law(exponent: float) -> GrowthLaw:
    """Σ_{m ≤ l} m^d for d = ``exponent``: ζ(−d), log l, or l^(d+1)/(d+1). Source: Lemma D.6."""
    if exponent < -1:
        return GrowthLaw(coefficient=float(special.zeta(-exponent)), source="Lemma D.6")
    if exponent == -1:
        return GrowthLaw(log_exponent=1.0, coefficient=1.0, source="Lemma D.6")
    return power_law(1 / (exponent + 1), exponent + 1, "Lemma D.6")


def product_law(delta: float, beta: float) -> GrowthLaw:
    """ε = ε̲·(1 + δ·l^(−β)) from ε^(0) = 1, β ≥ 0, δ > −1. Source: Lemma D.7.

    At β = 1 the constant is known: Π(1 + δ/m) ~ l^δ/Γ(1 + δ).
    """
    if beta < 0:
        raise InputError(f"beta {beta}: expected an exponent of at least 0")
    if delta == 0 or beta > 1:
        return GrowthLaw(coefficient=1.0 if delta == 0 else None, source="Lemma D.7")
    if beta == 1:
        return power_law(float(1 / special.gamma(1 + delta)), delta, "Lemma D.7")
    return GrowthLaw(product_power=1.0, product_delta=delta, product_beta=beta, coefficient=1.0, source="Lemma D.7")


def product_remainder(delta: float, beta: float) -> GrowthLaw:
    """|R| of log G(l) = δ/(1−β)·l^(1−β) + R for 0 < β < 1. Source: Lemma D.7; the coefficient: R ~ −δ²/2·Σ m^(−2β)."""
    if not 0 < beta < 1:
        raise InputError(f"beta {beta}: expected an exponent between 0 and 1")
    if beta > 0.5:
        return GrowthLaw(source="Lemma D.7")
    return power_law(delta**2 / 2, 0.0) * power_sum_law(-2 * beta)


def forced_product_law(forcing: float, alpha: float, delta: float, beta: float) -> GrowthLaw:
    """ε = C·l^(−α) + ε̲·(1 + δ·l^(−β)) with C = ``forcing`` > 0 and ε^(0) > 0. Source: Lemma D.8, corrected.

    The lemma allows δ < 0 for β < 1, where its exponential is wrong: ε then follows its forcing, ε ~ (C/|δ|)·l^(β−α).
    Its closing claim for β = −δ = 1 has the right exponents but the constants are C·ζ(α−1), C/(2−α) and C, not 1.

    Raises:
        InputError: C ≤ 0, β < 0, or (β = 0 and δ ≤ −1).
    """
    if not forcing > 0:
        raise InputError(f"forcing {forcing}: expected a coefficient greater than 0")
    if beta < 0 or (beta == 0 and delta <= -1):
        raise InputError(f"delta {delta}, beta {beta}: expected beta ≥ 0, and delta > −1 at beta = 0")
    source = "Lemma D.8"
    alpha, delta = tidy(alpha), delta + 0.0
    if delta != 0 and beta < 1:
        if delta > 0:
            return replace(product_law(delta, beta), coefficient=None, source=source)
        return power_law(forcing / -delta, beta - alpha, source)
    growth = delta if beta == 1 else 0.0  # the homogeneous solution's exponent
    gap = tidy(1 - alpha - growth)
    if gap > 0:
        return power_law(forcing / gap, 1 - alpha, source)
    if gap == 0:
        return replace(power_law(forcing, growth, source), log_exponent=1.0)
    # δ = −1: l·ε is a plain sum, and ε^(0) is multiplied by 1 − 1/1 = 0
    constant = forcing * float(special.zeta(alpha - 1)) if growth == -1 else None
    return power_law(constant, growth, source)
