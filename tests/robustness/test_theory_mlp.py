"""``phasemap theory mlp`` at the ends of every range, and beyond: a right answer in strict JSON, or one line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from phasemap.theory.activations import BUILT_IN
from tests.robustness.attack import attack, complaints
from tests.robustness.test_commands import NUMBERS, strict

WITHIN = {
    "--sigma-w": ("0", "1e-6", "0.3", "1", "1.4142135623730951", "1.4142135623730950", "2", "30", "1e3", "1e6"),
    "--sigma-b": ("0", "1e-6", "1e-3", "0.2236", "1", "50", "1e6"),
    "--keep": ("1", "1e-3", "0.5", "0.999999", "0.9999999999999999"),
    "--norm": ("none", "layer"),
    "--eps": ("0", "1e-30", "1e-5", "0.5", "1e6"),
    "--q0": ("1e-12", "1", "1e12"),
    "--c0": ("-1", "0", "0.999999999", "1"),
    "--layers": ("1", "2", "100", "3000"),
    "--slope": ("-1", "0", "0.5", "1", "1e6"),
    "--alpha": ("1e-3", "0.3", "0.5", "0.51", "1", "1.5", "2", "7", "30", "100"),
}

OWN = {
    "zero": ("0 * z", "0 * z"),
    "two": ("0 * z + 2", "0 * z"),
    "grow": ("np.exp(z)", "np.exp(z)"),
    "cube": ("z**3", "3 * z**2"),
    "line": ("z + 1", "0 * z + 1"),
    "wave": ("np.sin(50 * z)", "50 * np.cos(50 * z)"),
    "step": ("(z > 0) * 1.0", "0 * z"),
    "root": ("np.sign(z) * np.abs(z)**0.5", "0.5 / np.abs(z)**0.5"),
    "bump": ("z * np.exp(-z * z / 2)", "(1 - z * z) * np.exp(-z * z / 2)"),
    "none": ("z * np.nan", "z * np.nan"),
    "half": ("np.log(z)", "1 / z"),
}
"""Activations that a user might try, with their derivatives."""


def command(rng: random.Random) -> list[str]:
    found = ["theory", "mlp", "--activation", rng.choice(BUILT_IN)]
    for name in rng.sample(list(WITHIN), rng.randrange(1, 6)):
        value = (
            rng.choice(NUMBERS)
            if rng.random() < 0.1 and name not in ("--norm", "--layers")
            else rng.choice(WITHIN[name])
        )
        found.append(f"{name}={value}")
    if any(word.startswith("--eps=") for word in found) and rng.random() < 0.8:
        found = [word for word in found if not word.startswith("--norm")] + ["--norm=layer"]
    if rng.random() < 0.2:
        found = [word for word in found if not word.startswith(("--sigma-w", "--layers", "--keep"))] + ["--critical"]
    return [*found, "--json"]


def missing_without_reason(record: dict[str, Any]) -> list[str]:
    return [name for name, value in record.items() if value is None and name not in (*record["reasons"], "digits")]


def tried(folder: Path, seed: int, count: int) -> list[str]:
    rng, found = random.Random(seed), []
    for number in range(count):
        words = command(rng)
        outcome = attack(*words, folder=folder)
        wrong = complaints(outcome)
        if outcome.code == 0:
            strict(outcome.out)
            record = json.loads(outcome.out)
            wrong += [f"{words}: {name} is null without a reason" for name in missing_without_reason(record)]
            c = record.get("c_star")
            wrong += [f"{words}: c* = {c}"] if c is not None and not 0 <= c <= 1 else []
        elif outcome.code != 2:
            wrong.append(f"{words}: exit status {outcome.code}")
        found += [f"{seed}/{number} {line}" for line in wrong]
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ("grow", "none") else pytest.mark.slow) for name in OWN]
)
def test_activations_of_the_users_own(tmp_path: Path, name: str) -> None:
    phi, derivative = OWN[name]
    lines = ["import numpy as np", f"def f(z):\n    return {phi}", f"def f_derivative(z):\n    return {derivative}"]
    (tmp_path / "own.py").write_text("\n".join(lines) + "\n")
    for options in (
        ["--sigma-w=0.9", "--sigma-b=0.1"],
        ["--norm=layer", "--sigma-w=2"],
        ["--critical"],
        ["--layers=5"],
    ):
        outcome = attack("theory", "mlp", "--activation=own.py:f", *options, "--json", folder=tmp_path)
        assert not complaints(outcome)
        if outcome.code == 0:
            strict(outcome.out)
            assert not missing_without_reason(json.loads(outcome.out))


def test_settings(tmp_path: Path) -> None:
    assert not tried(tmp_path, 0, 10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_many_settings(tmp_path: Path, seed: int) -> None:
    assert not tried(tmp_path, seed, 400)
