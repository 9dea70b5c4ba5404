"""The front door: bad input is one clear line per mistake and exit code 2; commands agree with each other."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from phasemap.command_line import COMMANDS, THEORY_COMMANDS, main
from tests import ROOT

TINY = """\
# A map of my own.
method: grid
parameters:
  depth: {value: [2, 3]}
  batch_size: {values: [16, 24]}
  width: {value: 8}
  lr: {value: 0.01}
  steps: {value: 20}
  seed: {value: [0, 1]}
"""


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of the command."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    (tmp_path / "tiny.yaml").write_text(TINY)
    return "tiny.yaml"


def test_help_lists_every_command_and_every_command_has_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capfd, "--help")
    assert code == 0
    for command in ("list", "run", "status", "report", "export", "train", "sweep", "agents", "theory"):
        assert f"  {command} " in out
        if command != "theory":
            code, text, _ = call(capfd, command, "--help")
            assert code == 0
            assert f"Example: phasemap {command}" in " ".join(text.split())


def test_every_command_is_a_file_with_one_function_of_its_own() -> None:
    """``command``, where every other function is private or the work behind it, and nothing heavy is imported."""
    names = [*COMMANDS.values(), *THEORY_COMMANDS]
    files = {path.stem for path in (ROOT / "sweeps" / "commands").glob("*.py")} - {"__init__", "options"}
    assert files == set(names)
    code = "import sys, phasemap.command_line as c; c.assembled()\n"
    code += "print(sorted({'numpy', 'scipy', 'torch', 'wandb', 'matplotlib', 'yaml', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_help_takes_a_moment() -> None:
    seconds = []
    for _ in range(5):  # CPU seconds: other tests run meanwhile
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "phasemap", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3


def test_list_answers_without_numerics() -> None:
    code = "import sys, phasemap.command_line\ntry: phasemap.command_line.main(['list'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'scipy', 'torch', 'wandb', 'matplotlib', 'xarray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, heavy = done.stdout.splitlines()
    assert heavy == "[]"
    assert any(line.startswith("bn-fig3a: ") for line in lines)
    assert any("smoke" in line and "6 tiles" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "bn-fig3"], ["unknown experiment 'bn-fig3'; did you mean bn-fig3"]),
        (["run", "tiny.yaml", "--set", "widht=3"], ["--set widht=3: unknown parameter 'widht'; did you mean width"]),
        (["run", "tiny.yaml", "--set", "depth=0"], ["--set: depth: 0: expected at least 1"]),
        (["run", "tiny.yaml", "--set", "batch_size=2"], ["--set: batch_size: 2: expected at least 3"]),
        (["run", "tiny.yaml", "--set", "batch_size=[8, 99999]"], ["batch_size: 99999 is larger than the training set"]),
        (["run", "tiny.yaml", "--set", "activation=rellu"], ["--set: activation: 'rellu': expected one of"]),
        (["run", "tiny.yaml", "--set", "activation=none.py:f"], ["none.py"]),
        (["run", "tiny.yaml", "--set", "dataset=none.npz"], ["none.npz"]),
        (["run", "tiny.yaml", "--preset", "quick"], ["tiny: unknown preset 'quick': expected one of paper"]),
        (["run", "tiny.yaml", "--set", "depth=0", "--set", "width=0"], ["depth: 0", "width: 0"]),
        (["run", "tiny.yaml", "--workers", "none"], ["--workers"]),
        (["run", "tiny.yaml", "--executor", "slurm"], ["--executor slurm: expected one of local, or path/to/file.py"]),
        (["run", "tiny.yaml", "--executor", "none.py:X"], ["'none.py:X': there is no file none.py"]),
        (["run", "nowhere.yaml"], ["nowhere.yaml: there is no such file"]),
        (["run", "broken.yaml"], ["broken.yaml:3: not valid YAML"]),
        (["run", "tiny.yaml", "--out", "thesis"], ["--out thesis: is not empty and holds no experiment"]),
        (["train", "--depth", "3", "--steps", "3"], ["lr, lr_per_sample: give exactly one of them"]),
        (["train", "--depht", "3", "--lr", "1", "--steps", "1"], ["unknown parameter 'depht'; did you mean depth?"]),
        (["train", "word"], ["'word': expected --key value"]),
        (["train", "--depth"], ["--depth: has no value"]),
        (["train", "{"], ["not a JSON object"]),
        (["train", "--depth", "3", "--depth=4"], ["depth: given twice: '3' and '4'"]),
        (["train", "--lr", "1", "--steps", "1", "--wandb", "maybe"], ["--wandb maybe: expected one of"]),
        (["export", "nowhere"], ["nowhere: there is no such folder"]),
        (["export", "nowhere", "--format", "xls"], ["--format xls: expected one of csv, netcdf"]),
        (["status", "wandb:x"], ["wandb:x: expected ENTITY/PROJECT/SWEEP"]),
        (["agents", "x/y"], ["x/y: expected ENTITY/PROJECT/SWEEP"]),
        (["no-such-command"], ["No such command"]),
    ],
)
def test_bad_input(tiny: str, capfd: pytest.CaptureFixture[str], arguments: list[str], expected: list[str]) -> None:
    Path("broken.yaml").write_text("method: grid\nparameters:\n  depth: {value: [1, 2\n")
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("x")
    code, out, err = call(capfd, *arguments)
    assert code == 2
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected, strict=True):
        assert line.startswith(("phasemap: error: ", "phasemap run: error: "))
        assert part in line


def test_every_mistake_is_told_at_once(tiny: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Of the preset, the settings, the parameters, the user's own files, the workers and the folder."""
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("x")
    settings = ["depth=0", "widht=1", "lr=[1", "dataset=none.npz", "activation=none.py:f"]
    given = [word for setting in settings for word in ("--set", setting)]
    there = ["--preset", "quick", "--devices", "9", "--workers", "0", "--executor", "no", "--out", "thesis"]
    _, _, err = call(capfd, "run", tiny, "--check", *there, *given)
    starts = [
        "--devices 9: there is no GPU 9",
        "--workers 0: expected at least 1",
        "--executor no: expected one of local",
        "--out thesis: is not empty",
        "tiny: unknown preset 'quick'",
        "--set widht=1: unknown parameter 'widht'; did you mean width",
        "--set lr=[1",
        "--set: depth: 0: expected at least 1",
        "--set: activation: 'none.py:f': there is no file none.py",
        "--set: dataset: none.npz: cannot be read",
    ]
    lines = err.splitlines()
    assert len(lines) == len(starts), err
    assert [line for line, s in zip(lines, starts, strict=True) if not line.startswith(f"phasemap: error: {s}")] == []


def test_a_missing_data_folder(tiny: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHASEMAP_DATA_DIR", "/no/such/folder")
    code, _, err = call(capfd, "run", tiny, "--set", "dataset=mnist")
    assert code == 2
    assert err == "phasemap: error: tiny.yaml: PHASEMAP_DATA_DIR '/no/such/folder': there is no such folder\n"


def test_run_status_export_report_and_train_agree(
    tiny: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"HOME": str(tmp_path / "home-of-ada"), "WANDB_API_KEY": "k3y" * 13, "MY_TOKEN": "t0ken"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    code, out, err = call(capfd, "run", tiny, "--out", "out", "--workers", "2")
    assert code == 0, err
    for file in Path("out").rglob("*"):
        if file.is_file():
            text = file.read_bytes()
            assert not [name for name, value in secrets.items() if value.encode() in text], file
            assert socket.gethostname().encode() not in text or len(socket.gethostname()) < 4
    report = Path(out.splitlines()[-1])
    assert report == Path("out/report.html")
    assert "<html" in report.read_text()
    assert "2/2 tiles, 8/8 cells" in err

    code, out, _ = call(capfd, "status", "out")
    assert code == 0
    assert sum(map(int, out.splitlines()[-1].split()[1:4])) == 8

    _, whole, _ = call(capfd, "export", "out")
    rows = list(csv.DictReader(io.StringIO(whole)))
    assert [(row["depth"], row["batch_size"], row["seed"]) for row in rows] == [
        (depth, batch, seed) for depth in "23" for batch in ("16", "24") for seed in "01"
    ]

    # The same tiles by hand, as an agent would: equal content, bitwise.
    common = {"depth": [2, 3], "width": 8, "lr": "1e-2", "steps": 20, "seed": [0, 1]}
    code, out, err = call(capfd, "train", json.dumps({**common, "batch_size": 16}), "--out", "hand", "--device", "cpu")
    assert code == 0, err
    assert Path(out.splitlines()[-1]).is_file()
    words = [f"--{key}={value}" for key, value in common.items()]
    code, _, err = call(capfd, "train", *words, "--batch-size", "24", "--out", "hand", "--device", "cpu")
    assert code == 0, err
    _, by_hand, _ = call(capfd, "export", "hand")
    assert by_hand == whole
    _, merged, notes = call(capfd, "export", "out", "hand")
    assert merged == whole
    assert notes.count("the same content") == 2

    code, out, _ = call(capfd, "export", "out", "--format", "netcdf", "--out", "map.nc")
    assert code == 0
    import xarray as xr

    with xr.open_dataset("map.nc", engine="h5netcdf") as phase_map:
        assert dict(phase_map.sizes) == {"depth": 2, "batch_size": 2, "seed": 2}
        seen = phase_map["test_accuracy"].sel(depth=3, batch_size=24, seed=1).item()
    assert np.float64(rows[7]["test_accuracy"]) == seen

    code, _, err = call(capfd, "run", tiny, "--out", "out", "--set", "width=9")
    assert code == 2
    assert err == "phasemap: error: --out out: holds another experiment: width is 8 there and 9 here\n"


def test_a_shell_completes_commands_and_experiments() -> None:
    for words, place, expected in (
        ("phasemap the", 1, {"theory"}),
        ("phasemap run bn-fig5", 2, {f"bn-fig5{x}" for x in "abcd"}),
    ):
        environment = {"_PHASEMAP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
        ran = subprocess.run(
            [sys.executable, "-m", "phasemap"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert set(ran.stdout.split()) == expected
