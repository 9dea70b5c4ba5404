"""Width schedules as strings."""

from __future__ import annotations

import math

import pytest

from phasemap.theory.errors import InputError
from phasemap.theory.residual.widths import Widths, gradient_growth_rate, parse_widths


def test_constant() -> None:
    schedule = parse_widths("32", 3)
    assert schedule == Widths((32,) * 4, (32,) * 3)
    assert schedule.projection == (False,) * 3


def test_division_at_named_layers() -> None:
    schedule = parse_widths("2048/2@16,25,36", 40)
    assert schedule.activation == (2048,) * 16 + (1024,) * 9 + (512,) * 11 + (256,) * 5
    assert schedule.hidden == schedule.activation[1:]
    assert [layer + 1 for layer, here in enumerate(schedule.projection) if here] == [16, 25, 36]


def test_the_papers_schedules() -> None:
    """Fig. 1: halved at l = m², m = 4 … 9. Sec. 6: N/exp(A) at l = n², with A = 0.752 for σ = 1."""
    assert parse_widths("2048/2@m^2:4-9", 100) == parse_widths("2048/2@16,25,36,49,64,81", 100)
    rate = gradient_growth_rate(1.0, 1.0, 1.0)
    assert rate == pytest.approx(4 / 3 / math.sqrt(math.pi))
    schedule = parse_widths("2048/exp(A)@n^2", 10, rate=rate)
    assert [schedule.activation[layer] for layer in (0, 1, 3, 4, 9, 10)] == [
        2048,
        *(round(2048 * math.exp(-rate * n)) for n in (1, 1, 2, 3, 3)),
    ]


def test_hidden_widths_and_lists() -> None:
    assert parse_widths("8,8,4; 16", 2) == Widths((8, 8, 4), (16, 16))
    assert parse_widths("8;16,4", 2) == Widths((8, 8, 8), (16, 4))
    assert parse_widths("8/3@1,2", 2).activation == (8, 3, 1)


def test_one_schedule_serves_every_depth() -> None:
    assert parse_widths("64/2@2,5", 3).activation == parse_widths("64/2@2,5", 9).activation[:4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "-3",
        "64/2",
        "64/0@3",
        "64/a@3",
        "64/2@",
        "64/2@0",
        "64/2@3,x",
        "8,8",
        "64/exp(A)@n^2",
        "0",
        "8;",
        "8;0",
    ],
)
def test_mistakes_are_named(text: str) -> None:
    with pytest.raises(InputError, match="widths"):
        parse_widths(text, 5)


def test_lengths_must_fit() -> None:
    with pytest.raises(InputError, match="3 activation and 1 hidden"):
        Widths((4, 4, 4), (4,))
