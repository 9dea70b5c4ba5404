"""Width schedules of residual networks: N^(0..L) of the activations, M^(1..L) of the hidden vectors, from one string.

    2048                          constant
    2048/2@16,25,36               2048, divided by 2 at each of these layers
    2048/2@m^2:4-9                the same at l = m² for m = 4 … 9 (Fig. 1 of Deep Mean Field Theory)
    2048/exp(A)@n^2               divided by exp(A) at every l = n², where exp(A·√l) is the gradient's growth (Sec. 6)
    64,64,32,32                   an explicit list of N^(0), N^(1), …, N^(L)
    2048/2@16,25;512              after a semicolon the same forms for M (an explicit list is M^(1), …, M^(L))

Widths are rounded to integers of at least 1, and a projection block stands wherever N changes. Without a semicolon
M^(l) = N^(l).
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from phasemap.theory.errors import InputError
from phasemap.theory.ranges import RANGES, brief

_FORM = re.compile(r"(?P<start>\d+)(?:/(?P<factor>exp\(A\)|[0-9.eE+-]+)@(?P<layers>.+))?")
_SQUARES = re.compile(r"[a-z]\^2(?::(?P<first>\d+)-(?P<last>\d+))?")
LONGEST_NUMBER = 9
"""Digits of a width or a layer."""
LARGEST_RATE = 100.0
"""Of A: a width is divided by e^A at a time."""
_EXPECTED = "expected a width (2048), a schedule (2048/2@16,25,36, 2048/2@m^2:4-9, 2048/exp(A)@n^2) or a list of widths"


@dataclass(frozen=True)
class Widths:
    """Widths of one residual network of depth L.

    Attributes:
        activation: N^(0), …, N^(L). hidden: M^(1), …, M^(L).
    """

    activation: tuple[int, ...]
    hidden: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.activation) != len(self.hidden) + 1:
            raise InputError(
                f"widths: {len(self.activation)} activation and {len(self.hidden)} hidden widths; "
                "expected depth + 1 and depth of them"
            )
        if min(self.activation + self.hidden, default=1) < 1:
            raise InputError("widths: expected integers of at least 1")

    @property
    def depth(self) -> int:
        return len(self.hidden)

    @property
    def projection(self) -> tuple[bool, ...]:
        """For l = 1, …, L: whether block l is a projection block."""
        return tuple(a != b for a, b in zip(self.activation[:-1], self.activation[1:], strict=True))


def gradient_growth_rate(sigma_v: float, sigma_w: float, sigma_a: float) -> float:
    """A = (4/3)√(2/π)·σ_v²σ_w/√(σ_v² + σ_a²): without VV and WV, a tanh network has χ^(0)/χ^(l) ~ exp(A√l) (Sec. 6)."""
    total = math.hypot(sigma_v, sigma_a)
    return 4 / 3 * math.sqrt(2 / math.pi) * sigma_v**2 * sigma_w / total if total > 0 else 0.0


@lru_cache(maxsize=1024)
def parse_widths(text: str, depth: int, *, rate: float | None = None) -> Widths:
    """The schedule written in ``text`` (see the module's docstring) for a network of ``depth`` residual blocks.

    Args:
        rate: A in ``exp(A)``, from ``gradient_growth_rate``; needed only by schedules that name it.

    Raises:
        InputError: the text has no such form, names layer 0, or is a list of the wrong length.
    """
    outer, semicolon, inner = text.replace(" ", "").partition(";")
    activation = _schedule(outer, 0, depth, text, rate)
    return Widths(activation, _schedule(inner, 1, depth, text, rate) if semicolon else activation[1:])


def _schedule(part: str, first: int, depth: int, text: str, rate: float | None) -> tuple[int, ...]:
    """Widths of layers ``first`` … depth."""
    if re.fullmatch(r"\d+(,\d+)+", part):
        listed = tuple(_whole(word, text) for word in part.split(","))
        if len(listed) != depth + 1 - first:
            raise InputError(
                f"widths {brief(text)}: a list of {len(listed)}; expected {depth + 1 - first} for depth {depth}"
            )
        return _within(listed, text)
    match = _FORM.fullmatch(part)
    start = _whole(match["start"], text) if match else 0
    if match is None or start < 1:
        raise InputError(f"widths {brief(text)}: {_EXPECTED}")
    steps, factor = _layers(match["layers"], depth, text), _factor(match["factor"], text, rate)
    return _within(
        tuple(_divided(start, factor, bisect_right(steps, layer)) for layer in range(first, depth + 1)), text
    )


def _divided(start: int, factor: float, times: int) -> float:
    try:
        return max(1, round(start / factor**times))
    except OverflowError:  # the divisor is beyond float64, or the width is
        return 1 if factor > 1 else math.inf
    except ZeroDivisionError:
        return math.inf


def _within(widths: tuple[float, ...], text: str) -> tuple[int, ...]:
    allowed = RANGES["width"]
    if max(widths, default=1) > allowed.most:
        raise InputError(f"widths {brief(text)}: a width of {max(widths):g}; expected integers of {allowed.in_words}")
    return tuple(int(width) for width in widths)


def _whole(word: str, text: str) -> int:
    if len(word) > LONGEST_NUMBER:
        raise InputError(f"widths {brief(text)}: a number of {len(word)} digits; {_EXPECTED}")
    return int(word)


def _factor(word: str | None, text: str, rate: float | None) -> float:
    if word is None:
        return 1.0
    if word == "exp(A)":
        if rate is None:
            raise InputError(
                f"widths {brief(text)}: exp(A) needs one sigma_v, sigma_w and sigma_a; write a number instead"
            )
        if rate > LARGEST_RATE:
            raise InputError(f"widths {brief(text)}: A is {rate:g}; expected at most {LARGEST_RATE:g}")
        return math.exp(rate)
    try:
        factor = float(word)
    except ValueError:
        factor = math.nan
    if not (factor > 0 and math.isfinite(factor)):
        raise InputError(f"widths {brief(text)}: cannot divide by {brief(word)}; expected a positive number or exp(A)")
    return factor


def _layers(words: str | None, depth: int, text: str) -> list[int]:
    """Layers at which the width changes, in order. Those beyond the depth fall away, so that one schedule serves all
    depths."""
    if words is None:
        return []
    squares = _SQUARES.fullmatch(words)
    if squares is not None:
        deepest = math.isqrt(depth)
        first = _whole(squares["first"] or "1", text)
        last = min(_whole(squares["last"], text), deepest) if squares["last"] else deepest
        return [n * n for n in range(max(first, 1), last + 1)]
    if not re.fullmatch(r"\d+(,\d+)*", words):
        raise InputError(f"widths {brief(text)}: {_EXPECTED}")
    steps = sorted(_whole(word, text) for word in words.split(","))
    if 0 in steps:
        raise InputError(f"widths {brief(text)}: layer 0 is the input; expected layers from 1")
    return steps
