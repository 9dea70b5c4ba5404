"""Reading somebody else's results runs nobody's Python file, whatever names it; ``--trust`` does."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from phasemap.command_line import main
from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.sources import wandb_sweep
from phasemap.sweeps.store.result import stamped
from phasemap.sweeps.wandb_bridge.log import RESULT
from tests.robustness.attack import attack, complaints
from tests.robustness.test_wandb_answers import SOURCE, Answer, Client
from tests.sweeps.fake_backend import FAKE, fake_result
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
    "mlp": "x_axis: {value: sigma_w}, sigma_w: {values: [1.0, 1.5]}, norm: {value: layer}",
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


def test_reading_a_sweep_runs_nobodys_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    monkeypatch.chdir(tmp_path)
    Path("theirs.py").write_text(CANARY.format(mark=str(mark)))
    planned = plan(
        load(str(experiment(Path("made.yaml"), "bn-mlp", activation="theirs.py:phi"))), at_work=["cpu"], trainer=FAKE
    )
    runs = []
    for tile in planned.tiles:
        config = {name: {"value": value} for name, value in tile.parameters.items()}
        result = json.dumps(stamped(tile.key, fake_result(dict(tile.parameters))))
        runs.append(
            Answer(tile.key, texts={"config": json.dumps(config), "summaryMetrics": json.dumps({RESULT: result})})
        )
    api = SimpleNamespace(Api=lambda **_: Client(yaml.safe_dump(dict(planned.experiment.document)), runs))
    monkeypatch.setattr(wandb_sweep, "require_wandb", lambda: api)
    mark.unlink(missing_ok=True)  # planning may run it
    for words in (("report", "--out", "page.html"), ("status",), ("export",), ("compare", "theory:tanh")):
        with pytest.raises(SystemExit) as end:
            main([words[0], SOURCE, *words[1:]])
        assert end.value.code == 0, words
        assert not mark.exists(), words
    with pytest.raises(SystemExit):
        main(["report", SOURCE, "--out", "page.html", "--trust"])
    assert mark.exists()
