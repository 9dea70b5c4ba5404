"""Where a predicted quantity lies within bounds: all intervals of one parameter, by root finding on a bracketed scan.

The quantity f may be expensive, may jump (a fixed point that disappears) and may not exist everywhere (NaN). A scan of
a grid is refined where f passes through the whole band between two points and where it comes closest to it; then every
edge is found by Brent's method, and lies on the inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy import optimize

PRECISION = 1e-8
HALVINGS = 40  # of the distance of two points of the grid, where f jumps or stops existing
FLAT = 1e-9  # of f: less than that is no smallest distance
MOST_DIGITS = 17
TINY = 1e-250  # not rounded
LARGE = 1e6  # stands for what is infinite or does not exist, for Brent's method


@dataclass(frozen=True)
class Span:
    """Values low ≤ x ≤ high at which f is within its bounds; ``open`` where they go on beyond what was scanned."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        return bool(self.low <= value <= self.high)

    def nearest(self, value: float, logarithmic: bool = False) -> float:
        """The value of the span that is nearest to ``value``, with the fewest digits that stay within.

        Half of the span is not worth a digit: 0.8667 to 3 becomes 0.867, 0.8612 to 0.8667 seen from below 0.862.
        """
        if value in self:
            return value
        below = value < self.low
        edge = self.low if below else self.high
        limit = 0.5 * (self.low + self.high)
        if logarithmic and self.low > 0:
            limit = math.sqrt(self.low * self.high)
        rounded = (_round(edge, digits, up=below) for digits in range(3, MOST_DIGITS))
        fitting = (x for x in rounded if (edge <= x <= limit if below else limit <= x <= edge))
        return next(fitting, edge)

    def inner(self, margin: float, logarithmic: bool = False) -> Span | None:
        """What is left without a margin at the ends beyond which it is known to end; None if nothing is.

        Args:
            margin: relative where ``logarithmic``.
        """
        relative = self.low / (1 - margin), self.high / (1 + margin)
        low, high = relative if logarithmic else (self.low + margin, self.high - margin)
        low, high = self.low if self.open_low else low, self.high if self.open_high else high
        return Span(low, high, self.open_low, self.open_high) if low <= high else None


def _round(value: float, digits: int, *, up: bool) -> float:
    """Up or down to so many digits."""
    if abs(value) < TINY:
        return value
    places = digits - 1 - math.floor(math.log10(abs(value)))
    scaled = value * 10.0**places
    return float(f"{(math.ceil(scaled) if up else math.floor(scaled)):d}e{-places:d}")


@dataclass(frozen=True)
class Found:
    """What a scan found.

    Attributes:
        low, high: the range scanned.
        spans: where f is within its bounds, ascending; empty if nowhere.
        best: where f comes closest to its bounds, or well within; None if f exists nowhere.
        monotone: whether f only rises, or only falls, over the scan (``spans`` is then one statement: at most, at
            least). False if it does not exist everywhere.
    """

    low: float
    high: float
    spans: tuple[Span, ...]
    best: float | None
    monotone: bool

    def nearest(self, value: float, logarithmic: bool = False, margin: float = 0.0) -> float | None:
        """The value within bounds nearest to ``value`` (``Span.nearest``), and a ``margin`` away from their edges; None
        if there is none."""
        inner = [span.inner(margin, logarithmic) for span in self.spans]
        candidates = [span.nearest(value, logarithmic) for span in inner if span is not None]

        def distance(x: float) -> float:
            return abs(math.log(x / value)) if logarithmic and x > 0 and value > 0 else abs(x - value)

        return min(candidates, key=distance, default=None)


def search(
    quantity: Callable[[float], float],
    grid: Sequence[float],
    low: float,
    high: float,
    *,
    logarithmic: bool = False,
    integer: bool = False,
    precision: float = PRECISION,
) -> Found:
    """All x between the ends of ``grid`` with low ≤ f(x) ≤ high.

    Args:
        quantity: f; NaN where it does not exist.
        grid: ascending points at which f is evaluated first. What happens between two of them is found if f passes
            through the band there or has a smallest distance to it.
        low, high: the bounds; either may be infinite.
        logarithmic: refine in log x. integer: x are whole numbers, and so is ``grid``.
        precision: of an edge, relative to the distance of the two points around it.
    """
    scale = _Scale(logarithmic, integer, precision)
    known = {float(x): quantity(float(x)) for x in grid}

    def f(x: float) -> float:
        if x not in known:
            known[x] = quantity(x)
        return known[x]

    def excess(x: float) -> float:
        """How far f is outside its bounds, negative within."""
        value = f(x)
        return math.inf if math.isnan(value) else max(value - high, low - value)

    monotone = _monotone([known[x] for x in sorted(known)])
    for a, b in pairwise(sorted(known)):
        if min(f(a), f(b)) < low and max(f(a), f(b)) > high:
            scale.root(lambda x: f(x) - 0.5 * (low + high), a, b)  # the points it tried are now known
    for a, middle, b in list(zip(*(sorted(known)[i:] for i in range(3)), strict=False)):
        nearer, farther = sorted((excess(a), excess(b)))
        if 0 < excess(middle) <= nearer and excess(middle) < farther - FLAT and math.isfinite(farther):
            scale.lowest(excess, a, b)
    points = sorted(known)
    inside = [excess(x) <= 0 for x in points]
    spans: list[Span] = []
    start: float | None = points[0] if inside[0] else None
    for (a, b), (before, after) in zip(pairwise(points), pairwise(inside), strict=True):
        if before != after:
            edge = scale.edge(excess, a, b)
            if after:
                start = edge
            elif start is not None:
                spans.append(Span(start, edge, start == points[0] and inside[0], False))
                start = None
    if start is not None:
        spans.append(Span(start, points[-1], start == points[0] and inside[0], True))
    best = min([*grid, *known], key=lambda x: round(excess(x), 9))  # of equals a point of the grid
    return Found(points[0], points[-1], tuple(spans), best if math.isfinite(excess(best)) else None, monotone)


def _monotone(values: list[float]) -> bool:
    """But for rounding; NaN is neither up nor down."""
    rounding = 1e-12 * max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    steps = [b - a for a, b in pairwise(values)]
    return all(step >= -rounding for step in steps) or all(step <= rounding for step in steps)


@dataclass(frozen=True)
class _Scale:
    """How numbers between two points are tried."""

    logarithmic: bool
    integer: bool
    precision: float

    def value(self, u: float) -> float:
        x = math.exp(u) if self.logarithmic else u
        return float(round(x)) if self.integer else x

    def position(self, x: float) -> float:
        return math.log(x) if self.logarithmic else x

    def root(self, function: Callable[[float], float], a: float, b: float) -> float:
        """A zero of a function with different signs at a and b, or where it jumps from one to the other."""
        if self.integer:
            return self.edge(function, *((a, b) if function(a) > 0 else (b, a)))
        u, v = self.position(a), self.position(b)
        tolerance = self.precision * abs(v - u)
        ends = {u: a, v: b}  # exp(log(x)) may differ from x

        def finite(w: float) -> float:
            value = function(ends.get(w, self.value(w)))
            return LARGE if math.isnan(value) else max(-LARGE, min(value, LARGE))

        return self.value(float(optimize.brentq(finite, u, v, xtol=tolerance, rtol=1e-14)))

    def lowest(self, function: Callable[[float], float], a: float, b: float) -> float:
        """The smallest value between a and b, if there is one low."""
        if self.integer:
            while b - a > 3:
                third = float((b - a) // 3)
                a, b = (a, b - third) if function(a + third) <= function(b - third) else (a + third, b)
            return min((a + i for i in range(int(b - a) + 1)), key=function)
        bounds = self.position(a), self.position(b)
        found = optimize.minimize_scalar(
            lambda w: function(self.value(w)), bounds=bounds, method="bounded", options={"maxiter": 25, "xatol": 1e-4}
        )
        return self.value(float(found.x))

    def edge(self, excess: Callable[[float], float], a: float, b: float) -> float:
        """The last point with excess ≤ 0 on the way from the one of a and b that has it to the other."""
        inner, outer = (a, b) if excess(a) <= 0 else (b, a)
        if not self.integer and math.isfinite(excess(outer)) and excess(inner) < 0:
            root = self.root(excess, min(a, b), max(a, b))
            step = 2 * self.precision * (self.position(outer) - self.position(inner))
            beyond, within = (self.value(self.position(root) + sign * step) for sign in (1, -1))
            if excess(root) <= 0:
                inner = root
                outer = beyond if excess(beyond) > 0 and min(a, b) <= beyond <= max(a, b) else outer
            else:
                outer = root
                inner = within if excess(within) <= 0 and min(a, b) <= within <= max(a, b) else inner
            if abs(self.position(outer) - self.position(inner)) <= 2.5 * abs(step):
                return inner
        close = 0.0 if self.integer else self.precision * abs(self.position(b) - self.position(a))
        for _ in range(HALVINGS):
            if abs(self.position(outer) - self.position(inner)) <= close:
                break
            middle = self.value(0.5 * (self.position(inner) + self.position(outer)))
            if middle in (inner, outer):
                if not self.integer or abs(outer - inner) <= 1:
                    break
                middle = inner + (1.0 if outer > inner else -1.0)
            inner, outer = (middle, outer) if excess(middle) <= 0 else (inner, middle)
        return inner
