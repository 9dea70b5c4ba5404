"""Growth laws against the recurrences themselves: local exponents and leading coefficients at large depth.

A law is confirmed where the recurrence's deviation x from it shrinks as its next-order term says. If that term falls by
a factor r between two windows, then |x₃| ≤ |x₂ − x₃|/(r − 1): the tolerance below is 1.5 times that, with r from the
theory and no other number. Cases whose next order is too slow for any such statement are listed in
docs/theory-resnet.md; for them the test checks that the deviation shrinks.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest

from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.gaussian_transforms import moments
from phasemap.theory.residual.growth_laws.decay import Decay
from phasemap.theory.residual.growth_laws.relu import relu_cosine_limit, relu_laws, u_r, v_r, w_r
from phasemap.theory.residual.growth_laws.tanh import tanh_cosine_limit, tanh_laws, u_t, v_t, w_t
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace

# every case of Thms C.9 and C.11, in the order of V_r and U_r
RELU = [
    Decay(),
    Decay(beta_w=0.2, beta_b=0.2),
    Decay(beta_w=0.5),
    Decay(beta_v=0.4, beta_w=0.3, beta_a=1.0),
    Decay(beta_w=1.0, beta_a=0.2, beta_b=2.0),
    Decay(beta_w=1.0, beta_a=1.0, beta_b=1.0),
    Decay(beta_v=0.4, beta_w=0.6, beta_a=0.5, beta_b=0.1),
    Decay(sigma_v=1.3, beta_v=0.3, beta_w=0.7, beta_a=2.0, beta_b=0.9),
    Decay(beta_w=2.0, beta_b=2.0, beta_a=0.5),
    Decay(beta_w=2.0, beta_b=2.0, beta_a=0.0),
    Decay(beta_v=0.2, beta_w=1.4, beta_b=0.4, beta_a=2.0),
    Decay(beta_w=2.0, beta_b=2.0, beta_a=1.0),
    Decay(beta_w=2.0, beta_b=0.5, beta_v=0.5, beta_a=1.0),
    Decay(beta_v=0.3, beta_w=1.2, beta_b=0.7, beta_a=1.5),
    Decay(beta_w=2.0, beta_b=2.0, beta_a=2.0),
    Decay(beta_v=0.5, beta_w=1.5, beta_b=1.0, beta_a=2.0),
    Decay(beta_w=1.3, beta_b=2.0, beta_a=2.0),
    Decay(beta_v=0.4, beta_w=1.0, beta_b=2.0, beta_a=2.0),
    Decay(sigma_a=0.0, sigma_b=0.0, beta_w=1.5),
]
RELU_TOO_SLOW = [Decay(beta_v=0.1, beta_w=0.8), Decay(beta_v=0.5, beta_w=1.5, beta_b=1.0, beta_a=1.6)]
RELU_DEPTH = 16_384

TANH = [
    Decay(),
    Decay(sigma_v=1.5, sigma_w=0.8, sigma_a=0.5),
    Decay(beta_v=0.3, beta_w=0.1, beta_a=0.3, beta_b=1.0),
    Decay(sigma_v=2.0, beta_v=0.3, beta_a=2.0),
    Decay(beta_v=0.6, beta_w=0.1, beta_a=0.6),
    Decay(beta_v=0.6, beta_a=0.2),
    Decay(beta_v=0.8, beta_w=0.2, beta_a=0.3),
    Decay(beta_v=1.0, beta_a=1.0),
    Decay(beta_v=1.0, beta_a=1.5),
    Decay(beta_v=1.5, beta_a=1.0),
]
TANH_TOO_SLOW = [
    Decay(beta_v=0.5, beta_w=0.45, beta_a=0.5),
    Decay(beta_v=0.5, beta_w=0.4, beta_a=0.4),
    Decay(beta_v=0.2, beta_w=0.2, beta_a=0.8),
]
TANH_DEPTH = 8192


@lru_cache
def _traces(name: str) -> tuple[list[Decay], ResidualTrace]:
    """All cases in one pass."""
    cases, depth = (RELU + RELU_TOO_SLOW, RELU_DEPTH) if name == "relu" else (TANH + TANH_TOO_SLOW, TANH_DEPTH)
    columns = {key: np.array([getattr(case, key) for case in cases]) for key in vars(cases[0])}
    return cases, residual_recurrence(activation(name), depth, gamma0=0.3, **columns)


def _windows(depth: int) -> np.ndarray:
    return depth // np.array([64, 16, 4, 1])


def _logs(trace: ResidualTrace, row: int) -> dict[str, np.ndarray]:
    p, growth = trace.p[row], trace.log_growth[row]
    with np.errstate(all="ignore"):
        step = np.log(np.concatenate([[np.nan], np.diff(p)]))  # NaN beyond floats, where it is not asked for
        logs = {"p": trace.log_p[row], "q": trace.log_q[row], "step": step, "growth": np.log(growth)}
    logs["chi"] = trace.log_gradient_ratio()[row]
    return logs | {f"chi_{x}": trace.log_gradient_ratio(x)[row] for x in "wvab"}


def _confirm(deviation: np.ndarray, ratio: float, floor: float, what: str) -> None:
    """``deviation`` at the last three windows shrinks to 0 as a next-order term with this ratio allows."""
    second, third = deviation[-2:]
    assert abs(third) <= 1.5 * abs(second - third) / (ratio - 1) + floor, (what, deviation, ratio)


def _ratio(slowest: float, layers: np.ndarray) -> float:
    """Of the next-order terms at the last two windows: l^(−δ), or 1/log l where ``slowest`` is 0."""
    return float(layers[-1] / layers[-2]) ** slowest if slowest > 0 else math.log(layers[-1]) / math.log(layers[-2])


def _relu_slowest(decay: Decay) -> float:
    """The exponent δ of the slowest next-order term l^(−δ) among p, q and χ; 0 where it is 1/log l. For V_r ≥ 1."""
    v, u, w = v_r(decay), u_r(decay), w_r(decay)
    forced = 1 - u
    own = w if v == 1 else 0.0
    if forced == own:
        return 0.0
    terms = [abs(forced - own), v - 1 if v > 1 else 1.0, 1.0]
    others = {round(decay.beta_v + decay.beta_b, 9), decay.beta_a} - {round(u, 9)}
    if forced > own:
        terms += [other - u for other in others if decay.sigma_a]
    exponent = max(forced, own)
    terms += [abs(decay.beta_b + exponent - decay.beta_w) or 1.0]
    # p bounded: Δp = W_r·l^(−V_r)·p + C·l^(−U_r), whose two terms compete
    terms += [abs(v - u)] if exponent == 0 and v != u and math.isfinite(u) else []
    return min(terms)


@pytest.mark.slow
@pytest.mark.parametrize("row", range(len(RELU)))
def test_relu_laws(row: int) -> None:
    cases, trace = _traces("relu")
    decay, layers = cases[row], _windows(RELU_DEPTH)
    laws, logs = relu_laws(decay), _logs(trace, row)
    for name, law in laws.items():
        if name == "step" and law.product_power:
            continue
        deviation = logs[name][layers] - law.log(layers)
        local = np.diff(deviation) / np.log(4)
        if v_r(decay) < 1:
            # next orders with their own size: what is added after l, p^(l−1) for p^(l), and b beside w in q
            start = layers[-2]
            one_over_p, v = np.exp(-logs["p"][start]), v_r(decay)
            added = start ** (1 - u_r(decay)) * one_over_p * (decay.sigma_a**2 + decay.sigma_b**2 * decay.sigma_v**2)
            beside = start ** (decay.beta_w - decay.beta_b) * one_over_p
            assert abs(local[-1]) <= added + beside + (w_r(decay) * start**-v if v > 0 else 0) + 1e-8, name
            continue
        slowest = _relu_slowest(decay)
        _confirm(local, _ratio(slowest, layers), 1e-4, f"{decay} {name}")
        if law.coefficient is not None and not (law.log_exponent and not slowest):
            _confirm(deviation, _ratio(slowest, layers), 1e-4, f"coefficient of {decay} {name}")


def test_relu_regimes() -> None:
    """The phases as the paper words them (App. B.1)."""
    found = [relu_laws(case) for case in RELU]
    assert [laws["p"].regime for laws in found[:4]] == ["exponential"] * 4
    assert [laws["p"].regime for laws in found[4:11]] == ["polynomial"] * 7
    assert [laws["p"].regime for laws in found[11:14]] == ["sub-polynomial"] * 3
    assert [laws["p"].regime for laws in found[14:]] == ["constant"] * 5
    assert found[0]["p"].rate == (pytest.approx(math.log(1.5)), 1.0)
    assert found[2]["p"].rate == (pytest.approx(0.5 / 0.5), 0.5)
    assert found[0]["chi_w"].regime == "constant"


@pytest.mark.slow
@pytest.mark.parametrize(("row", "name"), [(len(RELU), "p"), (len(RELU) + 1, "step")])
def test_relu_slow_cases_shrink(row: int, name: str) -> None:
    cases, trace = _traces("relu")
    layers = _windows(RELU_DEPTH)
    local = np.diff(_logs(trace, row)[name][layers] - relu_laws(cases[row])[name].log(layers)) / np.log(4)
    assert np.all(np.diff(np.abs(local)) < 0)
    assert abs(local[-1]) > 0.05  # once this fails the case belongs among the confirmed


@pytest.mark.parametrize("row", [row for row, case in enumerate(RELU) if min(v_r(case), u_r(case)) > 1])
def test_relu_cosine_converges_at_the_slower_of_two_rates(row: int) -> None:
    """|e − e*| = Θ(l^(1 − min(U_r, V_r))). The paper's l^(1 − U_r) is refuted by the two cases with V_r < U_r."""
    cases, trace = _traces("relu")
    limit = relu_cosine_limit(cases[row])
    assert limit.value is None
    assert limit.rate is not None
    e, layers = trace.e[row], RELU_DEPTH // np.array([256, 64, 16])
    slope = np.diff(np.log(np.abs(e[4 * layers] - e[layers]))) / np.log(4)
    others = [x for x in (v_r(cases[row]), u_r(cases[row])) if x - 1 + limit.rate > 1e-9]
    next_order = min([-limit.rate, *(x - 1 + limit.rate for x in others)])
    _confirm(slope - limit.rate, 4**next_order, 1e-3, str(cases[row]))
    if v_r(cases[row]) < u_r(cases[row]) < math.inf:
        assert abs(slope[-1] - (1 - u_r(cases[row]))) > 0.5


@pytest.mark.parametrize("row", [row for row, case in enumerate(RELU) if min(v_r(case), u_r(case)) <= 1])
def test_relu_cosine_goes_to_one(row: int) -> None:
    cases, trace = _traces("relu")
    assert relu_cosine_limit(cases[row]).value == 1.0
    distance = trace.one_minus_e[row][_windows(RELU_DEPTH)]
    assert np.all(np.diff(distance) < 0)
    slope = np.diff(np.log(distance)) / np.log(4)
    # l^(−2) at most (V_r = 0); where p grows like log l, e does as slowly
    assert np.all(slope < -0.01)


def _tanh_slowest(decay: Decay) -> float:
    """As ``_relu_slowest``, for p, q and the growth of χ: the constant in p; the other of v, a; V tanh − 1; b."""
    u = u_t(decay)
    if u == 1:
        return 0.0
    p, q = 1 - u, 1 - u - decay.beta_w
    terms = [p, q / 2 + (decay.beta_v - u), q + decay.beta_b, q]
    if decay.beta_a != decay.beta_v:
        terms.append(abs(decay.beta_a - decay.beta_v))
    terms.append(v_t(decay) + q / 2)  # log(1 + x) ≈ x
    return min(terms)


@pytest.mark.slow
@pytest.mark.parametrize("row", range(len(TANH)))
def test_tanh_laws(row: int) -> None:
    cases, trace = _traces("tanh")
    decay, layers = cases[row], _windows(TANH_DEPTH)
    laws, logs, slowest = tanh_laws(decay), _logs(trace, row), _tanh_slowest(decay)
    for name in ("p", "q", "growth"):
        deviation = logs[name][layers] - laws[name].log(layers)
        _confirm(np.diff(deviation) / np.log(4), _ratio(slowest, layers), 1e-3, f"{decay} {name}")
        if slowest:
            _confirm(deviation, _ratio(slowest, layers), 1e-3, f"coefficient of {decay} {name}")


@pytest.mark.parametrize("row", range(len(TANH)))
def test_tanh_gradient_ratio_has_the_regime_of_its_growth(row: int) -> None:
    """log χ^(0)/χ^(l) over its law goes to 1: its increments are confirmed above, the rest is Stolz and Cesàro."""
    cases, trace = _traces("tanh")
    decay, layers = cases[row], _windows(TANH_DEPTH)
    law, log_chi = tanh_laws(decay)["chi"], trace.log_gradient_ratio()[row]
    if law.regime == "constant":
        assert (w_t(decay) < 0) if u_t(decay) < 1 else (v_t(decay) > 1)
        increments = np.diff(log_chi[layers])
        assert np.all(np.diff(increments) < 0)
        return
    distance = np.abs(log_chi[layers] / law.log(layers) - 1)
    assert np.all(np.diff(distance) < 0)
    assert distance[-1] < 0.4


def test_tanh_without_decay_is_the_papers_rate() -> None:
    """A = (4/3)√(2/π)·σ_v²σ_w/√(σ_v² + σ_a²) (Sec. 6) is the coefficient of √l."""
    law = tanh_laws(Decay(sigma_v=1.5, sigma_w=0.8, sigma_a=0.5))["chi"]
    rate = 4 / 3 * math.sqrt(2 / math.pi) * 1.5**2 * 0.8 / math.sqrt(1.5**2 + 0.5**2)
    assert law.rate == (pytest.approx(rate), 0.5)


def test_tanh_slow_cases() -> None:
    """Too slow to confirm at this depth: the growth of χ is still more than 4 % from its law."""
    cases, trace = _traces("tanh")
    for row in range(len(TANH), len(cases)):
        logs, law = _logs(trace, row), tanh_laws(cases[row])
        layers = _windows(TANH_DEPTH)
        deviation = np.stack([logs[name][layers] - law[name].log(layers) for name in ("p", "q", "growth")])
        assert np.abs(deviation[:, -1]).max() > 0.04
        assert np.abs(deviation[:, -1]).max() < 0.6


@pytest.mark.parametrize("row", [0, 1])
def test_tanh_cosine_limit(row: int) -> None:
    """e* of Thm C.7, which e itself is still 0.03 away from: Richardson removes the leading l^rate, Aitken the next."""
    cases, trace = _traces("tanh")
    limit = tanh_cosine_limit(cases[row])
    assert limit.value is not None
    assert limit.rate is not None
    e, step = trace.e[row][_windows(TANH_DEPTH)], 4.0**-limit.rate
    assert np.all(np.diff(np.abs(e - limit.value)) < 0)
    a, b, c = (step * e[1:] - e[:-1]) / (step - 1)
    correction = (c - b) ** 2 / ((c - b) - (b - a))
    assert c - correction == pytest.approx(limit.value, abs=0.3 * abs(correction))


def test_tanh_cosine_limit_is_the_fixed_point_of_the_recurrence() -> None:
    """At β_a = β_v the limit of (σ_v²W + σ_a²)/(σ_v²V + σ_a²) at c = e, q → ∞ is e itself: arcsine law, by our W."""
    for sigma_v, sigma_a in ((1.0, 1.0), (1.0, 0.3), (0.2, 1.0)):
        decay = Decay(sigma_v=sigma_v, sigma_a=sigma_a, beta_v=0.2, beta_a=0.2)
        e = tanh_cosine_limit(decay).value
        assert e is not None
        q = 1e14
        found = moments(activation("tanh"), q, e * q)
        image = (sigma_v**2 * found.w + sigma_a**2) / (sigma_v**2 * found.v + sigma_a**2)
        assert float(image) == pytest.approx(e, abs=1e-7)
    assert tanh_cosine_limit(Decay(sigma_a=0.0)).value == 0.0
    assert tanh_cosine_limit(Decay(beta_a=0.5)).value == 0.0
    assert tanh_cosine_limit(Decay(beta_v=0.5)).value == 1.0


def test_tanh_laws_need_growing_q() -> None:
    for decay in (Decay(beta_w=1.0), Decay(beta_v=1.2, beta_a=1.2), Decay(beta_v=0.5, beta_a=0.6, beta_w=0.5)):
        with pytest.raises(InputError, match="q stays bounded"):
            tanh_laws(decay)
    with pytest.raises(InputError, match=r"beta_w -0\.1"):
        Decay(beta_w=-0.1)
