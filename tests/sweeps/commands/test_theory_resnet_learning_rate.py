"""``phasemap theory resnet --inputs``: the learning rate from which on networks diverge."""

from __future__ import annotations

import json

import pytest

from phasemap.command_line import main
from phasemap.theory.activations import activation
from phasemap.theory.learning_rate.residual import largest_learning_rate
from phasemap.theory.residual.recurrence import residual_recurrence

WORDS = ["theory", "resnet", "--activation", "relu", "--depth", "9", "--beta-w", "0.5"]


def _run(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*WORDS, *words])
    assert ended.value.code == code
    printed = capsys.readouterr()
    return printed.out, printed.err


def test_it_is_added_where_the_sizes_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    plain = json.loads(_run(capsys, 0, "--json")[0])
    told = json.loads(_run(capsys, 0, "--json", "--widths", "64", "--inputs", "784")[0])
    assert set(told) - set(plain) == {"largest_learning_rate"}
    phi = activation("relu")
    found = largest_learning_rate(residual_recurrence(phi, 9, beta_w=0.5), phi, width=64, inputs=784)
    numbers = {"unit": found.unit, "lr": found.diverges, "low": found.low, "high": found.high}
    assert told["largest_learning_rate"] == numbers
    text = _run(capsys, 0, "--widths", "64", "--inputs", "784")[0]
    assert f"from a learning rate of {found.diverges:.2g} on" in text


def test_an_activation_that_was_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--activation", "erf", "--widths", "64", "--inputs", "784"]
    told = json.loads(_run(capsys, 0, *words, "--json")[0])["largest_learning_rate"]
    assert told.pop("unit") > 0
    assert told == {"lr": None, "low": None, "high": None}
    assert "several times" in _run(capsys, 0, *words)[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--inputs", "784"], "--inputs 784: the learning rate depends on the width; expected --widths beside it"),
        (
            ["--inputs", "784", "--widths", "64/2@4"],
            "widths: they change or differ from 64; expected one constant width",
        ),
        (["--inputs", "0", "--widths", "64"], "--inputs 0: expected an integer of at least 1"),
    ],
)
def test_sizes_that_do_not_fit(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert _run(capsys, 2, *words)[1] == f"phasemap: error: {message}\n"
