"""Advice on β_• and widths, against brute-force scans of the recurrences on a fine grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.activations import activation
from phasemap.theory.residual.advice import (
    EXPONENTS,
    Level,
    ResidualSetting,
    advise_exponent,
    advise_widths,
    narrowing,
    predict,
)
from phasemap.theory.residual.recurrence import residual_recurrence


def at_most(quantity: str, value: float) -> Level:
    return Level(quantity, value, value, value, True, "given")


def at_least(quantity: str, value: float) -> Level:
    return Level(quantity, value, value, value, False, "given")


CASES = [
    ("beta (all four)", ResidualSetting("relu", 50), [at_most("p", 12.1)]),
    ("beta_v", ResidualSetting("relu", 40, beta_b=0.5, sigma_w=0.8), [at_most("chi", 5.0), at_least("s", 3.0)]),
    ("beta_w = beta_v", ResidualSetting("tanh", 30), [at_most("chi", 2.0)]),
    ("beta_w = beta_b", ResidualSetting("tanh", 40), [at_least("chi_sum", 7.1)]),
    ("beta_v", ResidualSetting("tanh", 30, beta_a=1.0, beta_b=1.0), [at_least("p", 1.5), at_most("e", 0.9)]),
    ("depth_scaling_v = depth_scaling_a", ResidualSetting("relu", 60), [at_most("p", 11.3)]),
    ("beta_w", ResidualSetting("relu", 40, depth_scaling_v=0.5), [at_most("gradient_spread", 7.0)]),
]


@pytest.mark.parametrize(("name", "setting", "levels"), CASES)
def test_the_intervals_are_those_of_a_brute_force_scan(
    name: str, setting: ResidualSetting, levels: list[Level]
) -> None:
    betas = np.linspace(0.003, 1.997, 61)
    given = {f"sigma_{which}": getattr(setting, f"sigma_{which}") for which in "wbva"}
    given |= {f"beta_{which}": getattr(setting, f"beta_{which}") for which in "wbva"}
    given |= {f"depth_scaling_{which}": getattr(setting, f"depth_scaling_{which}") for which in "wbva"}
    trace = residual_recurrence(
        activation(setting.activation), setting.depth, **given | dict.fromkeys(EXPONENTS[name], betas)
    )
    gradients = [trace.chi_w[:, 1:], trace.chi_v[:, 1:], trace.chi_a[:, 1:], trace.chi_b[:, 1:]]
    values = {
        "p": np.log(trace.p[:, -1]),
        "s": np.log(trace.p - trace.gamma)[:, -1],
        "e": (trace.gamma / trace.p)[:, -1],
        "chi": np.log(trace.chi[:, 0]),
        "gradient_spread": np.log(np.max(gradients, axis=(0, 2)) / np.min(gradients, axis=(0, 2))),
        "chi_sum": np.log(np.sum(trace.chi_w[:, 1:] + trace.chi_v[:, 1:], axis=1)),
    }
    expected = np.ones(betas.size, bool)
    for level in levels:
        value = values[level.quantity]
        expected &= value <= level.value if level.at_most else value >= level.value
    found = advise_exponent(setting, name, levels)
    assert [any(float(beta) in span for span in found.spans) for beta in betas] == expected.tolist()
    value = found.nearest(0.0)
    assert (value is None) == (not found.spans)
    if value is not None:
        now = predict(setting.with_(EXPONENTS[name], value))
        assert all(level.verdict(now[level.quantity]) == "within" for level in levels)


@settings(max_examples=4)
@given(depth=st.integers(20, 60), deeper=st.integers(5, 50), level=st.floats(6.0, 7.0))
def test_deeper_relu_networks_need_more_decay(depth: int, deeper: int, level: float) -> None:
    edges = []
    for blocks in (depth, depth + deeper):
        setting = ResidualSetting("relu", blocks)
        (span,) = advise_exponent(setting, "beta_w = beta_v", [at_most("p", level)]).spans
        assert span.open_high
        assert predict(setting.with_(["beta_w", "beta_v"], span.low))["p"] <= level
        assert predict(setting.with_(["beta_w", "beta_v"], span.low - 1e-4))["p"] > level
        edges.append(span.low)
    assert edges[1] > edges[0]


def test_narrowing_widths_undo_the_explosion_of_gradients_and_nothing_else() -> None:
    setting, level = ResidualSetting("tanh", 100), at_most("chi", 3.0)
    found = advise_widths(setting, 2048, [level])
    assert found is not None
    (span,) = found.spans
    before = predict(setting)
    for factor, holds in ((span.low * 1.01, True), (span.low * 0.98, False)):
        after = predict(setting.with_(["widths"], narrowing(2048, factor)))
        assert (after["chi"] <= 3.0) == holds
        assert {name: after[name] for name in "pse"} == pytest.approx({name: before[name] for name in "pse"})
    last = round(2048 / found.high**10)  # ten squares up to 100
    assert last == 32
    assert advise_widths(setting, 2048, [at_most("p", 3.0)]) is None
    assert advise_widths(setting, 32, [level]) is None


def test_an_interval_of_the_level_makes_three_verdicts() -> None:
    most = Level("p", 12.0, 11.0, 14.0, True, "measured")
    assert [most.verdict(value) for value in (11.0, 11.5, 14.0, 14.1)] == [
        "within",
        "borderline",
        "borderline",
        "beyond",
    ]
    least = Level("p", 12.0, 11.0, 14.0, False, "measured")
    assert [least.verdict(value) for value in (14.0, 13.9, 11.0, 10.9)] == [
        "within",
        "borderline",
        "borderline",
        "beyond",
    ]


def test_a_width_schedule_with_a_of_the_network_is_scanned_point_by_point() -> None:
    """A depends on σ_v·L^(−δ/2), so a grid of δ has no single schedule: the answer is that of each network."""
    setting, level = ResidualSetting("tanh", 36, widths="512/exp(A)@n^2"), at_most("chi", -0.5)
    found = advise_exponent(setting, "depth_scaling_v = depth_scaling_a", [level])
    for value in np.linspace(0.013, 1.987, 12):
        now = predict(setting.with_(["depth_scaling_v", "depth_scaling_a"], float(value)))
        assert any(float(value) in span for span in found.spans) == (now["chi"] <= -0.5), value
