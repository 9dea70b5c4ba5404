"""The harness sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

from tests.robustness.attack import Outcome, attack, complaints


def test_a_sound_command_has_no_complaint(tmp_path: Path) -> None:
    outcome = attack("theory", "batchnorm", "--activation", "relu", "--batch-size", "8", "--json", folder=tmp_path)
    assert outcome.code == 0
    assert '"depth_scale"' in outcome.out
    assert complaints(outcome) == []


def test_bad_input_says_why(tmp_path: Path) -> None:
    outcome = attack("run", "nothing-there", folder=tmp_path)
    assert outcome.code == 2
    assert complaints(outcome) == []


def test_what_the_invariant_forbids_is_seen() -> None:
    sound = Outcome(("x",), 0, "", "", 1.0, 0)
    assert complaints(sound) == []
    for change in (
        {"code": 3},
        {"code": -9},
        {"err": "Traceback (most recent call last):\n  File …"},
        {"err": "/lib/numpy/core.py:12: RuntimeWarning: overflow encountered in exp\n  x = exp(y)"},
        {"code": 2, "err": "no word"},
        {"seconds": 11.0},
        {"peak": 2**31},
    ):
        assert len(complaints(Outcome(**{**vars(sound), **change}))) == 1, change
