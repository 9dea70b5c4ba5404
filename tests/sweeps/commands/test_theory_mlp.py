"""``phasemap theory mlp``: strict JSON, lists, tables, the critical line, layers, one clear line for bad input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import phasemap as pm
import phasemap.command_line
from phasemap.theory.activations import BUILT_IN
from phasemap.theory.errors import InputError

CONTRACT = {"q_star", "c_star", "chi_1", "chi_1_dropout", "chi_c", "length_rate", "xi_q", "xi_c", "xi_grad"}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_code:
        phasemap.command_line.main(["theory", "mlp", *arguments])
    assert exit_code.value.code == 0
    return capsys.readouterr().out


def strict(text: str) -> dict:
    def reject(constant: str) -> None:
        raise AssertionError(f"{constant} is not strict JSON")

    return json.loads(text, parse_constant=reject)


@pytest.mark.parametrize("extra", [[], ["--keep", "0.9"], ["--norm", "layer"], ["--norm", "layer", "--keep", "0.5"]])
@pytest.mark.parametrize("name", ["tanh", "relu", "erf", "identity"])
@pytest.mark.parametrize(("sigma_w", "sigma_b"), [("0", "0"), ("1", "0"), ("1.4142135623730951", "0"), ("2", "0.3")])
def test_one_object_of_strict_json(
    capsys: pytest.CaptureFixture[str], extra: list[str], name: str, sigma_w: str, sigma_b: str
) -> None:
    options = ["--activation", name, "--sigma-w", sigma_w, "--sigma-b", sigma_b, *extra, "--json"]
    record = strict(run(capsys, *options))
    assert record.keys() >= CONTRACT | {"regime", "digits", "reasons"}
    for quantity in (*CONTRACT, "regime"):
        assert (record[quantity] is None) == (quantity in record["reasons"]), quantity


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_activation(capsys: pytest.CaptureFixture[str], name: str) -> None:
    record = strict(run(capsys, "--activation", name, "--sigma-w", "0.8", "--sigma-b", "0.2", "--json"))
    assert record["chi_1"] > 0


def test_several_sigma_w_give_a_list_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--sigma-w", "1,1.5,2", "--sigma-b", "0.2"]
    records = strict(run(capsys, *options, "--json"))
    assert [record["regime"] for record in records] == ["ordered", "chaotic", "chaotic"]
    table = run(capsys, *options)
    assert all(f"{record['xi_c']:.6g}" in table for record in records)
    assert "every q is a fixed point" in run(capsys, "--activation", "relu", "--sigma-w", "1.4142135623730951")


def test_the_critical_line(capsys: pytest.CaptureFixture[str]) -> None:
    point = strict(run(capsys, "--critical", "--activation", "tanh", "--sigma-b", str(0.05**0.5), "--json"))
    assert point["sigma_w"] ** 2 == pytest.approx(1.76095, abs=1e-5)
    there = ["--sigma-w", repr(point["sigma_w"]), "--sigma-b", str(0.05**0.5), "--json"]
    record = strict(run(capsys, *there))
    assert record["regime"] == "critical"
    assert record["q_star"] == pytest.approx(point["q_star"], rel=1e-12)
    relu = strict(run(capsys, "--critical", "--activation", "relu", "--json"))
    assert relu["sigma_w"] ** 2 == pytest.approx(2, abs=1e-12)
    assert relu["q_star"] is None
    assert relu["reasons"]["q_star"]
    assert "1-c ~ 44.4 l^-2" in run(capsys, "--critical", "--activation", "relu")
    none = strict(run(capsys, "--critical", "--activation", "softplus", "--json"))
    assert none["sigma_w"] is None
    assert none["reasons"]["sigma_w"]


def test_layer_by_layer(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--sigma-w", "1.6", "--sigma-b", "0.2", "--layers", "60", "--q0", "3", "--c0", "0.9"]
    record = strict(run(capsys, *options, "--json"))
    lists = record["layers"]
    assert {len(values) for values in lists.values()} == {61}
    assert lists["q"][0] == 3
    assert lists["q"][60] == pytest.approx(record["q_star"], rel=1e-9)
    assert lists["chi"][60] == pytest.approx(record["chi_1_dropout"], rel=1e-9)
    assert re.search(r"^60 +\S+", run(capsys, *options), re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--sigma-w", "1,x"], "--sigma-w 'x'"),
        (["--sigma-w", "-1"], "--sigma-w -1.0: expected a finite number of at least 0"),
        (["--sigma-w", ""], "--sigma-w ''"),
        (["--sigma-w", "1," * 200 + "1"], "at most 100"),
        (["--sigma-b", "1e9"], "--sigma-b"),
        (["--keep", "0"], "--keep 0.0"),
        (["--keep", "1.5"], "--keep 1.5"),
        (["--norm", "batch"], "--norm 'batch': expected one of none, layer"),
        (["--eps", "0.1"], "expected --norm layer beside it"),
        (["--critical", "--keep", "0.9"], "no critical point"),
        (["--critical", "--sigma-w", "1"], "--critical finds it"),
        (["--critical", "--layers", "9"], "no --critical"),
        (["--layers", "0"], "--layers 0"),
        (["--layers", "9", "--sigma-w", "1,2"], "expected one --sigma-w"),
        (["--layers", "9000", "--activation", "gelu"], "needs quadrature"),
        (["--q0", "0"], "--q0"),
        (["--c0", "1.01"], "--c0"),
        (["--activation", "tahn"], "unknown activation"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], options: list[str], text: str) -> None:
    with pytest.raises(SystemExit) as exit_code:
        phasemap.command_line.main(["theory", "mlp", *options])
    assert exit_code.value.code == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert text in error


def test_an_activation_of_the_users_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\ndef phi(z):\n    return np.tanh(z)\ndef phi_derivative(z):\n    return np.cosh(z)**-2.\n"
    )
    options = ["--sigma-w", "1.6", "--sigma-b", "0.2", "--keep", "0.9", "--json"]
    mine, ours = (strict(run(capsys, "--activation", name, *options)) for name in (f"{file}:phi", "tanh"))
    for quantity in CONTRACT:
        assert mine[quantity] == pytest.approx(ours[quantity], rel=1e-10)


def test_the_table_in_python() -> None:
    table = pm.theory.mlp(["tanh", "relu"], sigma_w=[1.0, 1.6], sigma_b=0.2, keep=0.9)
    assert list(table["activation"]) == ["tanh", "tanh", "relu", "relu"]
    assert table["regime"][:3].tolist() == ["ordered", "chaotic", "ordered"]
    assert table["regime"].isna().tolist() == [False, False, False, True]
    assert table["xi_c"][1] == pytest.approx(float(pm.theory.mlp.solve("tanh", 1.6, 0.2, keep=0.9).xi_c), rel=1e-12)
    assert "grows without bound" in table["reason"][3]
    assert table.attrs["units"]["xi_c"] == "layers"
    with pytest.raises(InputError, match="norm"):
        pm.theory.mlp("tanh", norm="batch")


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, phasemap.command_line\n"
        "try:\n    phasemap.command_line.main(['theory', 'mlp', '--activation', 'tanh', '--json'])\n"
        "except SystemExit:\n    pass\n"
        "assert not {'torch', 'xarray', 'pandas', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
