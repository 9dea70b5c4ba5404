"""``phasemap theory resnet``: the JSON contract, the table, and bad input."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from phasemap.command_line import main
from phasemap.theory.activations import activation
from phasemap.theory.residual.record import LOGARITHMS, PLAIN, layers_shown
from phasemap.theory.residual.recurrence import residual_recurrence


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["theory", "resnet", *words])
    out, err = capsys.readouterr()
    assert caught.value.code == 0, err
    return out


def _refuse(constant: str) -> None:
    raise AssertionError(constant)


def test_json_is_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--activation tanh --depth 30 --sigma-w 1.2 --beta-w 0.5 --beta-a 1 --p0 2 --gamma0 0.3 --widths 64/2@9 --json"
    )
    out = json.loads(_run(capsys, *words.split()), parse_constant=_refuse)
    trace = residual_recurrence(
        activation("tanh"), 30, sigma_w=1.2, beta_w=0.5, beta_a=1.0, p0=2.0, gamma0=0.3, widths="64/2@9"
    )
    assert set(PLAIN + LOGARITHMS) <= set(out)
    for name in PLAIN + LOGARITHMS:
        values = getattr(trace, "lambda_" if name == "lambda" else name)
        assert len(out[name]) == 31
        assert out[name] == [float(x) if math.isfinite(x) else None for x in values], name
    assert out["chi"][30] == 1.0
    assert all(out[f"chi_{x}"][0] is None for x in ("w", "v", "a", "b", "pi"))
    assert [layer for layer, x in enumerate(out["chi_pi"]) if x is not None] == [9]
    assert out["q"][0] is out["c"][0] is out["lambda"][0] is None
    assert out["e"][7] == pytest.approx(out["gamma"][7] / out["p"][7])
    assert out["widths"] == [64] * 9 + [32] * 22


def test_overflow_is_null_and_has_its_logarithm(capsys: pytest.CaptureFixture[str]) -> None:
    out = json.loads(_run(capsys, "--activation", "relu", "--depth", "2000", "--json"), parse_constant=_refuse)
    assert out["p"][2000] is out["s"][2000] is out["chi"][0] is out["chi_v"][1] is None
    assert out["log_p"][2000] == pytest.approx(2000 * math.log(1.5), rel=2e-3)
    assert all(x is not None for x in out["e"] + out["log_chi"] + out["log_chi_w"][1:])
    # without decay χ_w does not depend on l but for p's additive part: bounded (App. B.1)
    assert abs(out["log_chi_w"][1] - out["log_chi_w"][2000]) < 2


def test_null_has_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """φ = max(z, 0)² squares p at every layer: gone by layer 10, and with it every gradient."""
    words = ["--activation", "alpha-relu", "--alpha", "2", "--depth", "12", "--json"]
    out = json.loads(_run(capsys, *words), parse_constant=_refuse)
    assert out["p"][9] is not None
    assert out["p"][12] is out["log_p"][12] is out["chi"][0] is None
    assert out["chi"][12] == 1.0
    assert "exceeds every float at layer 10" in out["notes"][0]
    out = json.loads(_run(capsys, "--gamma0", "1", "--depth", "2", "--json"), parse_constant=_refuse)
    assert out["s"] == [0, 0, 0]
    assert "coincide" in out["notes"][0]
    assert json.loads(_run(capsys, "--depth", "2", "--json"))["notes"] == []


def test_a_users_own_activation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """file.py:name goes through quadrature and agrees with the closed form of the same φ."""
    file = tmp_path / "own.py"
    file.write_text(
        "def soft(z, xp):\n    return xp.tanh(z)\n\ndef soft_derivative(z, xp):\n    return 1 - xp.tanh(z) ** 2\n"
    )
    own = json.loads(_run(capsys, "--activation", f"{file}:soft", "--depth", "4", "--json"))
    named = json.loads(_run(capsys, "--activation", "tanh", "--depth", "4", "--json"))
    for name in ("p", "s", "chi"):
        assert own[name] == pytest.approx(named[name], rel=1e-10)


def test_defaults_are_sigma_1_beta_0(capsys: pytest.CaptureFixture[str]) -> None:
    out = json.loads(_run(capsys, "--json", "--depth", "5"))
    expected = {f"sigma_{x}": 1.0 for x in "wbva"} | {f"beta_{x}": 0.0 for x in "wbva"} | {"p0": 1.0, "gamma0": 0.5}
    assert out["parameters"] == expected
    assert out["activation"] == "tanh"


def test_depth_scaling_and_the_spread_of_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    """σ_v = σ_a = 1 at δ = 1 and 16 blocks is σ = ¼; what is not 0 is among the parameters."""
    relu = ("--activation", "relu", "--depth", "16", "--json")
    scaled = json.loads(_run(capsys, *relu, "--depth-scaling-v", "1", "--depth-scaling-a", "1"))
    plain = json.loads(_run(capsys, *relu, "--sigma-v", "0.25", "--sigma-a", "0.25"))
    for name in ("p", "s", "chi", "chi_w", "gradient_spread"):
        assert scaled[name][1:] == pytest.approx(plain[name][1:], rel=1e-12)
    given = {name: value for name, value in scaled["parameters"].items() if name.startswith("depth")}
    assert given == {"depth_scaling_v": 1.0, "depth_scaling_a": 1.0}
    chi = [value for kind in "wvab" for value in scaled[f"chi_{kind}"][1:]]
    assert scaled["gradient_spread"][-1] == pytest.approx(max(chi) / min(chi), rel=1e-12)
    assert scaled["log_gradient_spread"][-1] == pytest.approx(math.log(max(chi) / min(chi)), rel=1e-12)
    assert scaled["gradient_spread"][0] is scaled["log_gradient_spread"][0] is None
    assert "depth_scaling_v 1" in _run(capsys, "--depth", "3", "--depth-scaling-v", "1")


def test_table_shows_every_quantity(capsys: pytest.CaptureFixture[str]) -> None:
    out = _run(capsys, "--activation", "relu", "--depth", "1800")
    header = next(line for line in out.splitlines() if " chi_w" in line).split()
    assert header == ["l", "p", "q", "e", "c", "s", "chi", "chi_w", "chi_v", "chi_a", "chi_b"]
    last = out.rstrip().splitlines()[-1].split()
    assert last[0] == "1800"
    assert last[1].startswith("e^")
    assert "…" not in out.split("\n", 2)[2]


def test_layers_shown() -> None:
    assert layers_shown(5) == [0, 1, 2, 3, 4, 5]
    deep = layers_shown(10_000)
    assert deep[:2] == [0, 1]
    assert deep[-1] == 10_000
    assert len(deep) <= 24


def test_all_mistakes_on_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["theory", "resnet", "--activation", "nope", "--depth", "0", "--sigma-w", "-1", "--p0", "nan", "--json"])
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 4
    assert all(line.startswith("phasemap: error: ") for line in lines)
    with pytest.raises(SystemExit) as caught:
        main(["theory", "resnet", "--widths", "64/2", "--depth", "4"])
    assert caught.value.code == 2
    assert "widths '64/2'" in capsys.readouterr().err


def test_torch_is_never_imported() -> None:
    program = (
        "import sys; from phasemap.command_line import main\n"
        "try: main('theory resnet --depth 3 --json'.split())\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["depth"] == 3
