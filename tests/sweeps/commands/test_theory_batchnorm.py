"""``phasemap theory batchnorm``: strict JSON, lists, tables, one clear line for bad input, quick and without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import phasemap.command_line
from phasemap.sweeps.commands.theory_batchnorm import command
from phasemap.theory.activations import BUILT_IN


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_code:
        phasemap.command_line.main(["theory", "batchnorm", *arguments])
    assert exit_code.value.code == 0
    return capsys.readouterr().out


def reject_constant(text: str) -> None:
    raise AssertionError(f"{text} is not strict JSON")


CONTRACT = {"activation", "batch_size", "eps", "q_star", "c_star", "mu_star", "forward", "backward", "cross_batch"}
CONTRACT |= {"depth_scale", "regime", "stable", "method", "digits"}


@pytest.mark.parametrize(
    "options",
    [
        ["--activation", "relu", "--batch-size", "64"],
        ["--activation", "tanh", "--batch-size", "3"],
        ["--activation", "relu", "--shift", "-90", "--batch-size", "8"],
        ["--activation", "alpha-relu", "--alpha", "0.4", "--batch-size", "8"],
        ["--activation", "tanh", "--eps", "1", "--batch-size", "8"],
        ["--activation", "leaky-relu", "--slope", "0.2", "--eps", "9", "--sigma-w", "1.1", "--batch-size", "8"],
    ],
)
def test_one_object_of_strict_json(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    record = json.loads(run(capsys, *options, "--json"), parse_constant=reject_constant)
    assert record.keys() >= CONTRACT
    for side in ("forward", "backward"):
        assert list(record[side]) == ["G", "L", "M"]
        for key, value in record[side].items():
            assert value is not None or record["reasons"][f"{side}.{key}"]
    assert record["depth_scale"] is not None or record["reasons"]["depth_scale"]


def test_the_help_lists_every_built_in_activation() -> None:
    words = get_type_hints(command, include_extras=True)["activation"].__metadata__[0].help
    assert words == ", ".join(BUILT_IN) + ", or path/to/file.py:name"


@pytest.mark.parametrize("size", ["16", "inf"])
@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_activation(capsys: pytest.CaptureFixture[str], name: str, size: str) -> None:
    record = json.loads(run(capsys, "--activation", name, "--batch-size", size, "--eps", "0.001", "--json"))
    assert record["activation"].split()[0] == name
    assert record["backward"]["G"] > 1 - 1e-12  # 1 for the identity at ∞


def test_several_batch_sizes_give_a_list_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    records = json.loads(run(capsys, "--batch-size", "8,16,32", "--json"))
    assert [record["batch_size"] for record in records] == [8, 16, 32]
    table = run(capsys, "--batch-size", "8,16,32")
    assert "depth scale ξ" in table
    assert f"{records[1]['depth_scale']:.6g}" in table


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--batch-size", "2"], "gradient is 0"),
        (["--batch-size", "1"], "not defined"),
        (["--batch-size", "8,x"], "expected integers"),
        (["--activation", "reul"], "unknown activation"),
        (["--eps", "-1"], "--eps"),
        (["--sigma-w", "0"], "--sigma-w"),
        (["--method", "magic"], "--method"),
        (["--activation", "tanh", "--method", "laplace"], "homogeneous"),
        (["--activation", "nowhere.py:phi"], "there is no file"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], options: list[str], text: str) -> None:
    with pytest.raises(SystemExit) as exit_code:
        phasemap.command_line.main(["theory", "batchnorm", *options])
    assert exit_code.value.code == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert text in error


def test_the_limit_of_infinite_batches(capsys: pytest.CaptureFixture[str]) -> None:
    finite, limit = json.loads(run(capsys, "--activation", "tanh", "--batch-size", "4096,inf", "--json"))
    assert limit["batch_size"] == "inf"
    assert limit.keys() == finite.keys()
    assert limit["depth_scale"] == pytest.approx(finite["depth_scale"], rel=1e-2)
    assert "inf" in run(capsys, "--activation", "relu", "--batch-size", "8,inf")


def test_an_activation_of_the_users_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "def bent(z):\n    return np.maximum(z - 0.3, 0)\n"
        "def bent_derivative(z):\n    return (z > 0.3) * 1.0\n"
        "bent_kinks = (0.3,)\n"
    )
    mine = json.loads(run(capsys, "--activation", f"{file}:bent", "--batch-size", "6", "--json"))
    ours = json.loads(run(capsys, "--activation", "relu", "--shift", "-0.3", "--batch-size", "6", "--json"))
    assert mine["backward"]["G"] == pytest.approx(ours["backward"]["G"], rel=1e-12)
    file.write_text(file.read_text().replace("> 0.3", "> 0.7"))
    with pytest.raises(SystemExit):
        phasemap.command_line.main(["theory", "batchnorm", "--activation", f"{tmp_path / 'other.py'}:bent"])


def test_a_wrong_derivative_is_noticed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    lines = [
        "import numpy as np",
        "def phi(z):",
        "    return np.sin(z)",
        "def phi_derivative(z):",
        "    return np.sin(z)",
    ]
    file.write_text(chr(10).join(lines))
    with pytest.raises(SystemExit):
        phasemap.command_line.main(["theory", "batchnorm", "--activation", f"{file}:phi"])
    assert "derivative" in capsys.readouterr().err


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, phasemap.command_line\n"
        "try:\n    phasemap.command_line.main(['theory', 'batchnorm', '--activation', 'tanh', '--json'])\n"
        "except SystemExit:\n    pass\n"
        "assert not {'torch', 'xarray', 'pandas', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_what_is_unstable_is_said_in_words_with_the_sizes_where_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--activation", "gelu", "--batch-size", "inf", "--eps", "0.001")
    said = "the state this theory expands around (BSB1: all samples equally correlated) is unstable here"
    assert re.search(rf"^No prediction at B = inf: {re.escape(said)} \(growth 1\.06\d* a layer\)\.$", out, re.MULTILINE)
    assert out.count("is unstable") == 1
    assert "At ε = 0.001 it is stable for B ≤ 37." in out
    assert "phasemap glossary BSB1" in out
    assert "BSB" not in run(capsys, "--activation", "tanh", "--batch-size", "16,64")
