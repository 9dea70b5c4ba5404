"""The numbers that a network's parameters may be: one table, for the theory, for training and for every command.

Within its range a parameter's formulas stay within float64, and what is computed is right; nothing beyond is a network
that anybody trains. Imports no numerics: the table of parameters waits for none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phasemap.theory.errors import InputError

LONGEST = 80
"""Characters of a value that a message shows."""


@dataclass(frozen=True)
class Range:
    """From ``least`` to ``most``, both within; of numbers other than 0 none nearer to 0 than ``smallest``."""

    least: int | float
    most: int | float
    smallest: float = 0.0

    def holds(self, value: Any) -> bool:
        """Whether the number is within; not if it is NaN."""
        return bool(self.least <= value <= self.most) and bool(value == 0 or abs(value) >= self.smallest)

    def reason(self, value: Any) -> str:
        """What was expected of a number that is out of the range: the bound that it is beyond, or all."""
        if value < self.least:
            return f"at least {_short(self.least)}"
        if value > self.most:
            return f"at most {_short(self.most)}"
        return self.in_words

    @property
    def in_words(self) -> str:
        """``at least 0 and at most 1e+06, and 0 or at least 1e-06 in size``."""
        nearest = f", and 0 or at least {self.smallest:g} in size" if self.least <= 0 and self.smallest else ""
        return f"at least {_short(self.least)} and at most {_short(self.most)}{nearest}"


def _short(bound: int | float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


COUNT = Range(1, 10**9)
"""Samples, steps and other things that are counted."""
SCALE = Range(0.0, 1e6, 1e-6)
"""A standard deviation."""
SIGNED = Range(-1e6, 1e6)
EXPONENT = Range(-10.0, 10.0)
"""Of a layer or of the depth."""
RATE = Range(1e-30, 1e6)
RANGES: dict[str, Range] = {
    "depth": Range(1, 20_000),
    "width": Range(1, 1_000_000),
    "batch_size": Range(3, 1_000_000),
    "gamma": Range(-1e6, 1e6, 1e-6),
    "beta": SIGNED,
    "eps": Range(0.0, 1e6, 1e-30),
    "slope": SIGNED,
    "alpha": Range(1e-3, 100.0),
    **{f"sigma_{letter}": SCALE for letter in "wbva"},
    "sigma_pi": SCALE,
    **{f"beta_{letter}": EXPONENT for letter in "wbva"},
    **{f"depth_scaling_{letter}": EXPONENT for letter in "wbva"},
    "keep": Range(1e-3, 1.0),
    "p0": Range(1e-12, 1e12),
    "gamma0": Range(-1e12, 1e12),
    "q0": Range(1e-12, 1e12),
    "c0": Range(-1.0, 1.0),
    "inputs": COUNT,
    "lr": RATE,
    "kappa": RATE,
    "kappa_vanishing": RATE,
    "level": SIGNED,
    "least": SIGNED,
    "seed": Range(0, 2**63 - 1),
}
"""By the parameter's name, with underscores."""


def wrong(name: str, value: Any, named: str = "") -> list[str]:
    """The message that a value is no number within its parameter's range, if it is none.

    Args:
        named: what the message calls the parameter; its name if not given.
    """
    allowed, counts = RANGES[name], isinstance(RANGES[name].least, int)
    try:
        if allowed.holds(value) and (not counts or value == int(value)):
            return []
        reason = allowed.in_words if allowed.holds(value) else allowed.reason(value)
    except (TypeError, ValueError, RuntimeError):  # no number, or an array of several (torch's error is the last)
        reason = allowed.in_words
    what = "an integer" if counts else "a finite number"
    return [f"{named or name} {brief(value)}: expected {what} of {reason}"]


def number(name: str, value: Any, named: str = "") -> int | float:
    """A number of any library, or its text, as a Python number; an integer where the parameter counts something and it
    has no fraction. Raises InputError if it is neither."""
    try:
        if getattr(value, "ndim", 0):
            raise TypeError
        plain = float(value)
        return int(plain) if isinstance(RANGES[name].least, int) and plain.is_integer() else plain
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(*wrong(name, value, named)) from error


def check(**values: Any) -> None:
    """Raises InputError, one line for each number out of its parameter's range, named as options of a command are."""
    mistakes = [line for name, value in values.items() for line in wrong(name, value, f"--{name.replace('_', '-')}")]
    if mistakes:
        raise InputError(*mistakes)


def brief(value: Any) -> str:
    """A value for a message, a text in quotation marks; not all of its digits where they are hundreds."""
    try:
        text = repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # Python writes no integers of more than 4300 digits
        return "of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}… ({len(text)} characters)"
