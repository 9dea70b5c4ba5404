"""``phasemap advise``: where κ and levels come from, verdicts with their interval, words, strict JSON, bad input."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from phasemap.command_line import main
from phasemap.sweeps.advice import batchnorm, levels
from phasemap.sweeps.advice.answer import advise, text
from phasemap.sweeps.advice.kappa import HIGH, LOW, agreement_of
from phasemap.sweeps.advice.levels import map_levels
from phasemap.sweeps.advice.reach import Reach
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.verdict.depth_scale import assess
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.errors import InputError
from tests import ROOT
from tests.sweeps.residual_maps import residual_map, trace_of
from tests.sweeps.synthetic import a_map

TANH = {"activation": "tanh", "batch_size": 64, "eps": 0.0}
FRONTIER = 12.0  # of the made-up maps, in depth scales


def by_xi(cell: dict[str, Any]) -> float:
    return FRONTIER * depth_scale(activation("relu"), cell["batch_size"]).xi


@pytest.fixture(scope="module")
def relu_map():
    return a_map((5, 6, 8, 12, 16, 32, 64), by_xi, noise=0.02, eps=0.0)


@pytest.fixture(scope="module")
def zig():
    """Networks diverge where log p > 10; the others' accuracy is 0.9 above log p = 4 and falls to chance below."""

    def accuracy(cell: dict[str, Any]) -> float:
        return float(np.clip(0.5 + 0.2 * (trace_of(cell).log_p[-1] - 4.0), 0.1, 0.9))

    return residual_map(accuracy, lambda cell: trace_of(cell).log_p[-1] > 10)


def change(record: dict[str, Any], parameter: str) -> dict[str, Any]:
    return next(one for one in record["advice"] if one["parameter"] == parameter)


def test_the_papers_kappa_and_what_it_says() -> None:
    record = advise("bn-mlp", 120, TANH)
    xi = depth_scale(activation("tanh"), 64).xi
    assert record["predicted"]["depth_scale"] == pytest.approx(xi, rel=1e-12)
    assert record["predicted"]["reach"] == pytest.approx(16 * xi, rel=1e-12)
    assert record["predicted"]["margin"] == pytest.approx(16 * xi / 120, rel=1e-12)
    assert record["verdict"] == "not trainable"
    assert (record["kappa"]["value"], record["kappa"]["low"], record["kappa"]["high"]) == (16, LOW, HIGH)
    gamma = change(record, "gamma")["recommended"]  # with the lower end
    assert LOW * depth_scale(activation("tanh", scale=gamma["value"]), 64).xi >= 120
    assert gamma["reach_interval"][0] == pytest.approx(LOW * gamma["depth_scale"])
    assert 1 <= gamma["reach_interval"][0] / 120 < 1.02
    batch = change(record, "batch_size")
    assert batch["recommended"] is None
    assert batch["best"]["reach"] < batch["limit"]["reach"] < 120
    words = text(record)
    assert "Not trainable by theory: κ ξ = 91.0 layers, asked for 120" in words
    assert "As the batch grows without bound the reach tends to" in words
    assert "docs/figures-bn-maps.md" in words
    assert "gamma bn-fig5a, eps bn-fig5c" in words
    assert advise("bn-mlp", 60, TANH)["verdict"] == "trainable"
    assert advise("bn-mlp", 60, {**TANH, "kappa": 10.0})["verdict"] == "not trainable"


def test_what_trains_is_left_as_it_is() -> None:
    """Also where the present value lies outside the scan, as ε = 0 does, or the β_• differ."""
    record = advise("bn-mlp", 60, TANH)
    assert [one["recommended"]["value"] for one in record["advice"]] == [1.0, 0.0, 0.0, 64]
    assert text(record).count("as it is") == 4
    decayed = advise("resnet", 20, {"activation": "relu", "beta_w": 1.0, "beta_v": 0.5})
    assert decayed["verdict"] == "within"
    assert [one["recommended"]["value"] for one in decayed["advice"]] == [None, None, None, 1.0, 0.5, 0.0, 0.0, 0.0]
    assert text(decayed).count("as it is") == 8


def test_a_map_gives_kappa_with_its_interval_and_what_stands_behind_it(relu_map, monkeypatch) -> None:
    monkeypatch.setattr("phasemap.sweeps.sources.open_map.open_map", lambda sources: relu_map)
    found = assess(relu_map)
    assert found.interval is not None
    low, high = found.interval.low, found.interval.high
    xi = depth_scale(activation("relu"), 64).xi
    relu = {"activation": "relu", "batch_size": 64, "eps": 0.0}
    judged = Reach(found.kappa * xi, low * xi, high * xi, None, "kappa xi")
    depths = (math.floor(low * xi), math.ceil(low * xi), math.floor(high * xi), math.ceil(high * xi))
    verdicts = [judged.verdict(depth) for depth in depths]
    assert verdicts == ["trainable", "borderline", "borderline", "not trainable"]
    depth = math.ceil(low * xi)
    record = advise("bn-mlp", depth, relu, "runs/mine")
    assert record["verdict"] == "borderline"
    assert record["kappa"]["value"] == found.kappa
    assert (record["kappa"]["low"], record["kappa"]["high"]) == (low, high)
    support = record["kappa"]["support"]
    assert (support["map"], support["activation"], support["columns"]) == ("runs/mine", "relu", found.used)
    assert support["data"].startswith("digits")
    assert support["sum_lr"] == "6"
    beta = change(record, "beta")["recommended"]
    reach = low * depth_scale(activation("relu", shift=beta["value"]), 64).xi
    assert reach >= depth
    words = text(record)
    assert f"{reach:.1f}" in next(line for line in words.splitlines() if line.startswith("  beta")).split()
    assert "Borderline by theory" in words
    assert "width 128" in words
    assert "Σ lr 6" in words
    other = advise("bn-mlp", 20, {**relu, "activation": "tanh"}, "runs/mine")
    assert "κ was measured with relu, not tanh." in other["notes"]


def test_a_map_without_a_frontier_or_of_other_networks_gives_no_kappa(zig) -> None:
    trained = a_map((8, 16, 32), lambda cell: 1000.0)
    with pytest.raises(InputError, match="--map x: it gives no κ: Every column trains"):
        agreement_of(trained, "x", "bn-mlp")
    with pytest.raises(InputError, match="its networks are resnet; expected bn-mlp"):
        agreement_of(zig, "x", "bn-mlp")
    with pytest.raises(InputError, match="--map x: the theory of residual networks says nothing of it"):
        map_levels(trained, "x")


def test_a_map_of_residual_networks_gives_its_levels(zig, monkeypatch) -> None:
    fails, half = map_levels(zig, "runs/zig")
    assert (fails.quantity, fails.at_most) == ("p", True)
    assert fails.low <= 10 <= fails.high
    assert (half.quantity, half.at_most) == ("p", False)
    assert half.low <= half.value <= half.high
    assert half.value == pytest.approx(4.0, abs=0.2)
    assert "runs/zig" in half.origin
    monkeypatch.setattr("phasemap.sweeps.sources.open_map.open_map", lambda sources: zig)
    record = advise("resnet", 30, {"activation": "relu"}, "runs/zig")
    assert record["setting"]["gamma0"] == zig.attrs["gamma0"]
    assert record["verdict"] == "beyond"
    value = change(record, "beta_w = beta_v")["recommended"]
    assert half.high <= value["p"] <= fails.low
    assert "Beyond the level: log p" in text(record)


def test_relu_networks_have_a_measured_level_and_tanh_networks_none() -> None:
    record = advise("resnet", 50, {"activation": "relu"})
    (level,) = record["levels"]
    assert (level["quantity"], level["value"], level["interval"]) == ("p", 12.1, [10.0, 14.3])
    assert "docs/figures-vv.md" in level["origin"]
    chosen = change(record, "beta (all four)")["recommended"]
    assert chosen["p"] <= 10.0
    assert change(record, "beta_b")["recommended"] is None
    assert "none; the best is" in text(record)
    tanh = advise("resnet", 50, {"activation": "tanh"})
    assert tanh["verdict"] is None
    assert tanh["advice"] == []
    assert "No verdict: no trusted level" in text(tanh)
    scaled = change(record, "depth_scaling_v = depth_scaling_a")["recommended"]
    assert scaled["p"] <= 10.0
    with_it = dict.fromkeys(("depth_scaling_v", "depth_scaling_a"), scaled["value"])
    again = advise("resnet", 50, {"activation": "relu", **with_it})
    assert (again["verdict"], again["predicted"]["p"]) == ("within", pytest.approx(scaled["p"]))
    assert f"depth_scaling_v {scaled['value']:g}" in text(again)
    spread = advise("resnet", 50, {"activation": "tanh", "quantity": "gradient_spread", "level": 4.0})
    assert spread["levels"][0]["label"] == "log max χ_•/min χ_•"
    own = advise("resnet", 50, {"activation": "tanh", "quantity": "chi", "level": 3.0, "widths": "1024"})
    assert own["levels"][0]["origin"] == "given"
    assert change(own, "widths")["recommended"]["chi"] <= 3.0
    assert change(own, "widths")["recommended"]["value"].startswith("1024/")


def test_the_measured_levels_are_those_of_the_page() -> None:
    page = (ROOT / levels.LEVELS_PAGE).read_text()
    scaled = "level of log p 12.4 (10.0 to 13.6)"  # its lower end is the one at 1e-4
    assert scaled in page
    measured = {**levels.DIVERGES, 1e-4: (levels.DIVERGES[1e-4][0], 11.3, levels.DIVERGES[1e-4][2])}
    assert levels.DIVERGES[1e-4][1] == 10.0
    for lr, (value, low, high) in measured.items():
        mantissa = f"1e-{round(-math.log10(lr))}"
        assert any(
            line.startswith(f"| {mantissa} |") and f"| {value} ({low} to {high}) |" in line
            for line in page.splitlines()
        ), lr


def test_the_experiments_named_test_what_they_are_named_for() -> None:
    for (phi, parameter), name in batchnorm.EXPERIMENTS.items():
        parameters = load(name).parameters
        assert (parameters["activation"], parameters["x_axis"]) == (phi, parameter)


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["advise", *arguments])
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


def test_help_has_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capfd, "--help")
    assert code == 0
    assert "Example: phasemap advise" in " ".join(out.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--activation", "tanh", "--depth", "120", "--eps", "0"],
        ["--activation", "alpha-relu", "--alpha", "3", "--batch-size", "10", "--depth", "50", "--eps", "0"],
        ["--activation", "identity", "--depth", "50", "--eps", "1"],
        ["--arch", "resnet", "--activation", "relu", "--depth", "60", "--level", "8"],
        ["--arch", "resnet", "--depth", "20"],
    ],
)
def test_json_is_strict_and_the_same_as_the_words(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    code, out, err = call(capfd, *arguments, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out, parse_constant=refuse)
    code, words, _ = call(capfd, *arguments)
    assert code == 0
    assert words == text(record) + "\n"
    assert set(record) >= {"arch", "depth", "setting", "predicted", "verdict", "reason", "advice", "notes"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--depth", "10", "--arch", "cnn"], ["--arch cnn: expected one of bn-mlp, mlp, resnet"]),
        (["--depth", "0"], ["--depth 0: expected an integer of at least 1"]),
        (["--depth", "x"], ["--depth"]),
        ([], ["--depth"]),
        (["--depth", "9", "--batch-size", "2"], ["--batch-size 2: BN maps two samples"]),
        (["--depth", "9", "--eps", "-1", "--sigma-w", "0"], ["--eps -1.0: expected", "--sigma-w 0.0: expected"]),
        (["--depth", "9", "--gamma", "0"], ["--gamma 0.0, --beta 0.0: expected finite numbers, gamma above 0"]),
        (["--depth", "9", "--kappa", "0"], ["--kappa 0.0: expected a finite number above 0"]),
        (["--depth", "9", "--kappa-vanishing", "nan"], ["--kappa-vanishing nan: expected a finite number above 0"]),
        (["--depth", "9", "--kappa", "9", "--map", "x"], ["--kappa: it comes from --map; give only one of them"]),
        (["--depth", "9", "--kappa-vanishing", "9", "--map", "x"], ["--kappa-vanishing: it comes from --map"]),
        (["--depth", "9", "--map", "nowhere"], ["nowhere: there is no such folder"]),
        (["--depth", "9", "--activation", "rellu"], ["unknown activation 'rellu'"]),
        (["--depth", "9", "--beta-w", "1", "--level", "2"], ["--level: bn-mlp has none", "--beta-w: bn-mlp has none"]),
        (["--arch", "resnet", "--depth", "9", "--gamma", "1"], ["--gamma: resnet has none"]),
        (["--arch", "resnet", "--depth", "9", "--activation", "x"], ["unknown activation 'x'"]),
        (["--arch", "resnet", "--depth", "9", "--sigma-v", "-1"], ["sigma_v -1.0: expected a standard deviation"]),
        (["--arch", "resnet", "--depth", "9", "--widths", "a"], ["widths 'a': expected a width"]),
        (["--arch", "resnet", "--depth", "9", "--depth-scaling-v", "nan"], ["depth_scaling_v nan: expected a finite"]),
        (["--arch", "resnet", "--depth", "9", "--quantity", "r", "--level", "1"], ["--quantity r: expected one of p"]),
        (["--arch", "resnet", "--depth", "9", "--quantity", "s"], ["--quantity s: give --level or --least with it"]),
        (
            ["--arch", "resnet", "--depth", "9", "--activation", "relu", "--lr", "0.5"],
            ["--lr 0.5: the level was measured at 0.001, 0.0001, 1e-05"],
        ),
    ],
)
def test_bad_input(capfd: pytest.CaptureFixture[str], arguments: list[str], expected: list[str]) -> None:
    code, out, err = call(capfd, *arguments)
    assert code == 2
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == len(expected)
    for line in expected:
        assert any(line in each for each in lines), (line, lines)


def test_it_answers_without_torch_or_pictures() -> None:
    code = "import sys, phasemap.command_line\n"
    for arguments in (["advise", "--depth", "30", "--eps", "0"], ["advise", "--arch", "resnet", "--depth", "9"]):
        code += f"try: phasemap.command_line.main({arguments})\nexcept SystemExit as ended: assert not ended.code\n"
    code += "print(sorted({'torch', 'wandb', 'matplotlib', 'xarray', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
