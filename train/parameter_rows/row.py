"""What one parameter is: its kind, default, valid values, and whether it decides the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from phasemap.theory.ranges import RANGES, Range
from phasemap.train.provenance import below_home


@dataclass(frozen=True)
class Parameter:
    """One row of the table of parameters.

    Attributes:
        kind: bool, int, float or str.
        default: used where nothing is given; None with ``nullable`` means "not given".
        check, expected: the valid values, as a predicate and in words (a function where finding the words costs time).
        reason: of one invalid value, in words: the part of ``expected`` that it misses. None: all of it.
        stackable: whether a list makes a stacked axis.
        neutral: of a parameter that came after the first results, the value that it has where it is not given (None).
            It is then left out of the parameters, so that keys and contents of results without it stay as they are.
        absent: what an axis calls the value null, if it is one of its values.
        identity: whether the value changes the training (False for axes, metric and overlay of the picture).
        spelling: of a text, the one form that all its spellings are brought to.
        unit: of a number that has one, in words.
        other_names: what it is called elsewhere, for who writes that: ``learning_rate`` of ``lr``.
    """

    kind: type
    default: Any
    help: str
    check: Callable[[Any], bool] = lambda value: True
    expected: str | Callable[[], str] = ""
    reason: Callable[[Any], str] | None = None
    stackable: bool = False
    nullable: bool = False
    neutral: Any = None
    absent: str = "null"
    identity: bool = True
    spelling: Callable[[str], str] = below_home
    unit: str = ""
    other_names: tuple[str, ...] = ()

    @property
    def expected_in_words(self) -> str:
        """The valid values in words."""
        return self.expected if isinstance(self.expected, str) else self.expected()


def one_of(*choices: str) -> dict[str, Any]:
    """The check of a text that is one of some."""
    return {"check": lambda value: value in choices, "expected": "one of " + ", ".join(choices)}


def in_range(name: str) -> dict[str, Any]:
    """The check of a number whose range is in the table that the theory has, too."""
    return within(RANGES[name])


def within(allowed: Range) -> dict[str, Any]:
    """The check of a number in a range of its own."""
    return {"check": allowed.holds, "expected": allowed.in_words, "reason": allowed.reason}
