"""Reading somebody else's results runs nobody's Python file, whatever names it; ``--trust`` does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.robustness.attack import attack, complaints
from tests.sweeps.runs import run_fake

CANARY = """\
from pathlib import Path
Path({mark!r}).touch()
def phi(z, xp): return xp.tanh(z)
def phi_derivative(z, xp): return 1 - xp.tanh(z) ** 2
def picture(contents): raise SystemExit("drawn")
"""
GRIDS = {
    "bn-mlp": "x_axis: {value: width}, width: {values: [10, 11]}",
    "bn-resnet": "x_axis: {value: width}, width: {values: [10, 11]}",
    "resnet": "x_axis: {value: sigma_w}, sigma_w: {values: [1.0, 1.5]}, widths: {value: '10'}",
}
COMMANDS = (
    ("report", "{}"),
    ("report", "{}", "--style", "paper"),
    ("report", "--index", "{}"),
    ("status", "{}"),
    ("export", "{}"),
    ("export", "{}", "--format", "netcdf"),
    ("compare", "{}", "{}"),
    ("compare", "{}", "other"),
    ("compare", "{}", "theory:tanh"),
    ("advise", "--depth", "8", "--map", "{}"),
    ("advise", "--depth", "8", "--map", "{}", "--arch", "resnet"),
)


def experiment(path: Path, architecture: str, **named: str) -> Path:
    parameters = "".join(f", {name}: {{value: {value!r}}}" for name, value in named.items())
    path.write_text(
        f"method: grid\nparameters: {{architecture: {{value: {architecture}}}, {GRIDS[architecture]}, "
        f"depth: {{value: [5, 10]}}, seed: {{value: [0, 1]}}, lr: {{value: 0.1}}, steps: {{value: 10}}{parameters}}}\n"
    )
    return path


def read_everything(folder: Path, count: int, seed: int, commands: int = 6) -> None:
    """Folders that name a file as activation or picture, in all spellings of its path, under every command."""
    draw, made = random.Random(seed), 0
    assert run_fake(experiment(folder / "other.yaml", "bn-mlp"), folder / "other", workers=1) == 0
    while made < count:
        name, mark = f"theirs{made}.py", folder / f"ran{made}"
        (folder / name).write_text(CANARY.format(mark=str(mark)))
        spelled = draw.choice([name, f"./{name}", str(folder / name), f"../{folder.name}/{name}"])
        architecture, asked = draw.choice(sorted(GRIDS)), draw.choice(["activation", "picture"])
        named = {asked: f"{spelled}:{'phi' if asked == 'activation' else 'picture'}"}
        out = folder / f"results{made}"
        assert run_fake(experiment(folder / "made.yaml", architecture, **named), out, workers=1) == 0
        mark.unlink(missing_ok=True)  # the run itself may
        for words in draw.sample(COMMANDS, commands):
            outcome = attack(*(word.format(out.name) for word in words), folder=folder)
            assert not mark.exists(), f"seed {seed}: {words} ran {spelled} of {architecture}"
            assert not complaints(outcome)
        trusted = attack("report", out.name, "--trust", folder=folder)
        drawn = asked == "picture" or architecture == "bn-mlp"  # the others' maps draw no line that φ gives
        assert mark.exists() or not drawn, trusted.err
        made += 1


def test_reading_runs_nobodys_file(tmp_path: Path) -> None:
    read_everything(tmp_path, 1, 0, commands=4)


@pytest.mark.slow
def test_reading_much_runs_nobodys_file(tmp_path: Path) -> None:
    read_everything(tmp_path, 30, 1)
