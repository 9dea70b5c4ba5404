"""The scan of one parameter: all intervals of functions whose intervals are known; jumps, gaps, whole numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phasemap.theory.parameter_search import Span, search


@settings(max_examples=40)
@given(
    roots=st.tuples(st.floats(0.05, 4.0), st.floats(6.0, 9.95)),
    bound=st.floats(0.05, 1.0),
)
def test_a_parabola_is_within_its_bounds_between_the_roots(roots: tuple[float, float], bound: float) -> None:
    """|(x − a)(x − b)| ≤ t is one or two intervals whose ends solve a quadratic equation; none hides between the
    points of the grid."""
    a, b = roots
    assume(all(abs(abs((x - a) * (x - b)) - bound) > 1e-9 for x in (0, 10)))  # or rounding says on which side an end is
    found = search(lambda x: (x - a) * (x - b), np.linspace(0, 10, 11).tolist(), -bound, bound)
    half, middle = abs(a - b) / 2, (a + b) / 2
    outer = math.sqrt(half**2 + bound)
    inner = math.sqrt(half**2 - bound) if half**2 > bound else None
    ends = [(-outer, outer)] if inner is None else [(-outer, -inner), (inner, outer)]
    expected = [(max(middle + low, 0), min(middle + high, 10)) for low, high in ends]
    expected = [(low, high) for low, high in expected if low < high]
    assert len(found.spans) == len(expected)
    for span, (low, high) in zip(found.spans, expected, strict=True):
        assert span.low == pytest.approx(low, abs=1e-6)
        assert span.high == pytest.approx(high, abs=1e-6)
        assert (span.open_low, span.open_high) == (low == 0, high == 10)


@settings(max_examples=40)
@given(edge=st.floats(0.011, 9.9), slope=st.floats(0.1, 10.0), up=st.booleans())
def test_the_edge_is_within_and_a_little_further_is_not(edge: float, slope: float, up: bool) -> None:
    sign = 1 if up else -1
    found = search(
        lambda x: sign * slope * math.log(x / edge), [0.01, 0.1, 1.0, 10.0], -math.inf, 0.0, logarithmic=True
    )
    (span,) = found.spans
    at = span.high if up else span.low
    assert sign * math.log(at / edge) <= 0
    assert at == pytest.approx(edge, rel=1e-6)
    assert found.monotone


def test_jumps_and_what_does_not_exist() -> None:
    def broken(x: float) -> float:
        return math.nan if x < 1.3 else 0.0 if x < 2.7 else 5.0 if x < 3.1 else -5.0

    found = search(broken, [0.0, 1.0, 2.0, 3.0, 4.0], -1.0, 1.0)
    (span,) = found.spans  # the jump from 5 to −5 passes the band, but never is within
    assert (span.low, span.high) == pytest.approx((1.3, 2.7), abs=1e-7)
    assert broken(span.low) == broken(span.high) == 0.0
    assert not found.monotone
    assert found.best is not None
    assert broken(found.best) == 0.0
    nowhere = search(lambda x: math.nan, [0.0, 1.0], -1.0, 1.0)
    assert nowhere.spans == ()
    assert nowhere.best is None


def test_a_narrow_wedge_between_two_points_of_the_grid_is_found() -> None:
    found = search(lambda x: 1e4 * math.log(0.37 / x), [0.01, 0.1, 1.0, 10.0], -1.0, 1.0, logarithmic=True)
    (span,) = found.spans
    assert (span.low, span.high) == pytest.approx((0.37 * math.exp(-1e-4), 0.37 * math.exp(1e-4)), rel=1e-7)
    shallow = search(lambda x: 0.1 + (x - 4.3) ** 2, np.linspace(0, 10, 11).tolist(), -0.2, 0.2)
    assert [(round(s.low, 6), round(s.high, 6)) for s in shallow.spans] == [
        (round(4.3 - math.sqrt(0.1), 6), round(4.3 + math.sqrt(0.1), 6))
    ]


def test_where_nothing_is_within_the_best_is_named() -> None:
    found = search(lambda x: 2 + (x - 4.3) ** 2, np.linspace(0, 10, 11).tolist(), -1.0, 1.0)
    assert found.spans == ()
    assert found.best == pytest.approx(4.3, abs=1e-3)
    assert found.nearest(5.0) is None
    rising = search(lambda x: 2 + x, [0.0, 5.0, 10.0], -1.0, 1.0)
    assert rising.best == 0.0


@settings(max_examples=40)
@given(first=st.integers(3, 5000), length=st.integers(0, 3000))
def test_whole_numbers_have_exact_edges(first: int, length: int) -> None:
    last = first + length

    def outside(x: float) -> float:
        assert x == round(x)
        return max(first - x, x - last)

    grid = [float(2**k) for k in range(1, 14)]
    found = search(outside, grid, -math.inf, 0.0, logarithmic=True, integer=True)
    assert [(span.low, span.high) for span in found.spans] == [(first, min(last, 2**13))]


@pytest.mark.parametrize(
    ("span", "now", "expected"),
    [
        (Span(0.0296, 0.85887), 1.0, 0.858),
        (Span(0.105341, 1.14), 0.001, 0.106),
        (Span(-4.0, -1.23456), 0.0, -1.24),
        (Span(1.00001, 1.00002), 0.0, 1.00001),
        (Span(0.1, 2.0), 0.5, 0.5),
        (Span(157.0, 65536.0), 64.0, 157.0),
        (Span(0.0, 0.0), 1.0, 0.0),
    ],
)
def test_a_recommended_value_is_short_near_and_within(span: Span, now: float, expected: float) -> None:
    assert span.nearest(now) == expected
    assert span.nearest(now) in span


@given(low=st.floats(-50, 50), length=st.floats(1e-9, 10), now=st.floats(-100, 100))
def test_a_recommended_value_is_always_within(low: float, length: float, now: float) -> None:
    span = Span(low, low + length)
    assert span.nearest(now) in span


def test_of_several_spans_the_nearest_counts() -> None:
    found = search(lambda x: math.cos(x), np.linspace(0, 12, 49).tolist(), -0.1, 0.1)
    assert len(found.spans) == 4
    near = found.nearest(5.0)
    assert near is not None
    assert abs(near - 3 * math.pi / 2) < 0.11
