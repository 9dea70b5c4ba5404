"""``phasemap probe`` as a user meets it: table, strict JSON, picture, and one clear line for whatever is wrong."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from phasemap.command_line import main
from phasemap.sweeps.figures.probe import draw_gradient, draw_growth, draw_history, draw_moments, figure_probe
from phasemap.sweeps.probing.model import load_model
from phasemap.theory.errors import InputError
from phasemap.train.probe.measure import probe
from phasemap.train.probe.rate import Rate
from phasemap.train.probe.report import summary
from tests import ROOT

CODE = """
import torch
from torch import nn

def net():
    layers = []
    for _ in range(12):
        layers += [nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU()]
    return nn.Sequential(*layers)

ready = nn.Sequential(nn.Linear(4, 4), nn.Hardtanh(), nn.Linear(4, 4))
double = lambda: net().double()
half = lambda: net().bfloat16()
number = 3

def words():
    return "no module"

def fails():
    raise ValueError("a mistake\\nin two lines")

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 8)
        self.deep = nn.Sequential(*(nn.Linear(8, 8) for _ in range(9)))
    def forward(self, ids, scale=None):
        return {"out": self.deep(self.embed(ids))}

def ids():
    return {"ids": torch.randint(9, (6, 5)), "scale": torch.ones(6)}

class Labels(nn.Module):
    def forward(self, x):
        return x.argmax(1)
"""


@pytest.fixture(autouse=True)
def _code(tmp_path: Path) -> None:
    Path("net.py").write_text(CODE)


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["probe", *arguments])
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


def strict(text: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def test_the_table_says_what_was_measured(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capfd, "net.py:net", "--input", "16", "--batch-size", "24", "--plot", "probe.png")
    assert (code, err) == (0, "")
    assert "random N(0, 1)" in out
    assert "batch size 24" in out
    assert "explosion rate λ_G" in out
    assert "depth scale ξ" in out
    assert "theory, 0 to 33" in out
    assert "Linear → BatchNorm (ε 1e-05) → relu, batch size 24, width 16" in out
    assert out.splitlines()[-1] == "probe.png"
    picture = matplotlib.image.imread("probe.png")
    assert picture.shape[0] > 500
    assert picture[..., :3].std() > 0.02  # something is drawn


def test_rows_are_of_one_kind_unless_all_are_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    """Pre-activations, normalised and activations side by side would look like a change over depth."""
    words = ("net.py:net", "--input", "16", "--batch-size", "24")
    table = call(capfd, *words)[1].partition("Steps of")[0]
    assert table.count("Linear") == 12
    assert "ReLU" not in table
    assert "--all-layers shows every kind" in table
    every = call(capfd, *words, "--all-layers")[1].partition("Steps of")[0]
    assert "ReLU" in every
    assert "BatchNorm1d" in every


def test_total_growth_stands_beside_the_rate(capfd: pytest.CaptureFixture[str]) -> None:
    words = ("net.py:net", "--input", "16", "--batch-size", "24")
    found = strict(call(capfd, *words, "--json")[1])
    total = sum(step["log_rate"] for step in found["steps"])
    assert found["log_total_growth"] == pytest.approx(total)
    assert f"‖gradient‖² at 0 is {math.exp(total):.4g} times that at 33" in call(capfd, *words)[1]


@pytest.mark.parametrize(("log_rate", "near"), [(0.02, True), (-0.049, True), (0.051, False), (0.4, False)])
def test_near_critical_is_said(log_rate: float, near: bool) -> None:
    found = probe(load_model("net.py:net", 0), torch.randn(8, 16))
    rate = Rate(log_rate, 0.01, 9, 2)
    assert ("near critical" in summary(replace(found, rate=rate))[0]) == near


def test_tokens_keywords_and_dictionaries(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capfd, "net.py:Tokens", "--inputs", "net.py:ids", "--plot", "tokens.png")
    assert (code, err) == (0, "")
    assert "input net.py:ids of shape (5,), batch size 6" in out
    assert "the gradient is followed to the output of 'embed'" in out
    assert Path("tokens.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "log_rates", [[0.02, 0.021, 0.019, 0.0205] * 3, [1e-4, -1e-4] * 6, [0.4] * 12, [3.0, -3.0] * 6]
)
def test_tick_labels_differ(log_rates: list[float]) -> None:
    """Growth of 1.020 and 1.0205 are not both 1.02."""
    found = probe(load_model("net.py:net", 0), torch.randn(8, 16))
    steps = -0.5 * np.concatenate([[0.0], np.cumsum(log_rates[:11])])
    ax = Figure().subplots()
    draw_growth(replace(found, log_gradient=steps, rate=None, comparisons=()), ax=ax)
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(labels) > 1
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("factory", ["net", "double", "half"])
def test_json_is_strict_and_reproducible(factory: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = (f"net.py:{factory}", "--input", "16", "--batch-size", "8", "--json")
    _, out, _ = call(capfd, *words)
    found = strict(out)
    assert call(capfd, *words)[1] == out
    assert strict(call(capfd, *words, "--seed", "1")[1])["layers"] != found["layers"]
    assert len(found["layers"]) == 36
    assert len(found["points"]) == 12
    assert len(found["steps"]) == 11
    rate = found["gradient_explosion_rate"]
    assert rate["low"] < rate["low_this_width"] < rate["value"] < rate["high_this_width"] < rate["high"]
    assert set(found["layers"][0]) == {
        "name", "kind", "shape", "mean", "mean_square", "variance", "cosine", "log_gradient_norm"
    }  # fmt: skip
    assert found["theory"][0]["measured"]["gradient_explosion_rate"]["value"] > 0
    assert found["dtype"] == {"net": "float32", "double": "float64", "half": "bfloat16"}[factory]


def test_what_does_not_exist_is_null(capfd: pytest.CaptureFixture[str]) -> None:
    found = strict(call(capfd, "net.py:ready", "--input", "4", "--batch-size", "4", "--json")[1])
    assert found["gradient_explosion_rate"] is None
    assert found["depth_scale"] is None
    assert found["theory"] == []
    assert any("at least 3" in note for note in found["notes"])
    code, out, _ = call(capfd, "net.py:ready", "--input", "4", "--batch-size", "4", "--plot", "x.pdf")
    assert code == 0
    assert "no explosion rate" in out
    assert Path("x.pdf").read_bytes().startswith(b"%PDF")


def test_samples_of_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).standard_normal((20, 16))
    np.savez("data.npz", x_train=x, y_train=np.zeros(20))
    words = ("net.py:net", "--samples", "data.npz", "--input", "16", "--batch-size", "20", "--json")
    found = strict(call(capfd, *words)[1])
    assert found["input"] == "data.npz:x_train"
    model = load_model("net.py:net", 0)
    chosen = x[np.random.default_rng(0).choice(20, 20, replace=False)]
    expected = probe(model, torch.tensor(chosen, dtype=torch.float32))
    assert found["layers"][5]["mean_square"] == expected.layers[5].moments.mean_square


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["none.py:net", "--input", "16"], "'none.py:net': there is no file none.py"),
        (["net.py", "--input", "16"], "'net.py': expected path/to/file.py:name"),
        (["net.py:absent", "--input", "16"], "net.py has no 'absent'"),
        (["net.py:number", "--input", "16"], "number is of type int: expected a function without arguments"),
        (["net.py:words", "--input", "16"], "words() returned str: expected a torch.nn.Module"),
        (["net.py:fails", "--input", "16"], "fails() failed: ValueError: a mistake"),
        (["net.py:Labels", "--input", "16"], "holds no floating-point tensor"),
        (["net.py:net"], "--input: expected the shape of one sample"),
        (["net.py:net", "--input", "3,x"], "--input '3,x': expected the shape of one sample"),
        (["net.py:net", "--input", "0"], "--input '0': expected the shape of one sample"),
        (["net.py:net", "--input", "7"], "input of shape (128, 7): the forward pass fails in layer '0' (Linear)"),
        (["net.py:net", "--input", "16", "--batch-size", "1"], "--batch-size 1: expected at least 2"),
        (["net.py:net", "--input", "16", "--mode", "test"], "mode 'test': expected one of train, eval, as-is"),
        (["net.py:net", "--input", "16", "--device", "tpu9"], "--device tpu9"),
        (["net.py:net", "--input", "16", "--plot", "x.gif"], "--plot x.gif: expected a .png"),
        (["net.py:Tokens", "--inputs", "net.py:number"], "number gives no tensor (int): expected a tensor"),
        (["net.py:Tokens", "--inputs", "net.py:ids", "--input", "5"], "makes the whole batch: expected no --input"),
        (["net.py:net", "--samples", "none.npz"], "--samples none.npz: cannot be read as .npz: No such file"),
        (["net.py:net", "--samples", "few.npz"], "holds 3 samples, fewer than --batch-size 128"),
        (["net.py:net", "--samples", "two.npz"], "expected an array x_train or x; found a, b"),
    ],
)
def test_bad_input_is_one_line(words: list[str], expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    np.savez("few.npz", x=np.zeros((3, 16)))
    np.savez("two.npz", a=np.zeros(3), b=np.zeros(3))
    code, out, err = call(capfd, *words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("phasemap: error: ")
    assert expected in err


def test_drawing_functions_take_and_return_axes() -> None:
    found = probe(load_model("net.py:net", 0), torch.randn(8, 16))
    for draw in (draw_gradient, draw_growth, draw_moments):
        ax = Figure().subplots()
        assert draw(found, ax=ax) is ax
    ax = Figure().subplots()
    draw_growth(found, ax=ax)
    theory = [line for line in ax.get_lines() if str(line.get_label()).startswith("theory")]
    np.testing.assert_allclose(theory[0].get_ydata(), np.exp(found.comparisons[0].stretch.log_rates))
    assert len(figure_probe(found, title="x").axes) == 4


def test_the_history_of_a_training_is_a_heat_map() -> None:
    rng = np.random.default_rng(0)
    log_gradient = rng.standard_normal((4, 5))
    log_gradient[2, 3] = np.nan
    ax = Figure().subplots()
    assert draw_history(np.array([0, 10, 20, 30]), list("abcde"), log_gradient, ax=ax) is ax
    drawn = ax.collections[0].get_array()
    assert drawn is not None
    assert drawn.shape == (5, 4)
    np.testing.assert_allclose(drawn[0, 1], (log_gradient[1, 0] - log_gradient[1, 4]) / np.log(10))
    assert np.ma.is_masked(drawn[3, 2])


@pytest.mark.parametrize(
    "source",
    [
        "import torchvision\ndef net(): return nn.Linear(4, 2)",
        "def net():\n import torchvision\n return nn.Linear(4, 2)",
    ],
)
def test_a_file_may_import_a_torchvision_that_does_not_fit_torch(source: str, tmp_path: Path) -> None:
    """One whose operators do not load stands in for it, in a process that has not imported the real one."""
    (tmp_path / "torchvision.py").write_text("import torch\ntorch.library.register_fake('torchvision::nms')(print)\n")
    (tmp_path / "own.py").write_text(f"from torch import nn\n{source}\n")
    (tmp_path / "plain.py").write_text("from torch import nn\ndef net(): return nn.Linear(4, 2)\n")
    root = str(ROOT)
    code = (
        f"import sys; sys.path[:0] = {[str(tmp_path), root]!r}; from phasemap.sweeps.probing.model import load_model;"
        "load_model('plain.py:net', 0); assert 'torchvision' not in sys.modules;"  # which takes longer than the probe
        "print(type(load_model('own.py:net', 0)).__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert ran.stdout == "Linear\n", ran.stderr


@pytest.mark.slow
def test_a_network_beside_the_users_own_models_and_train(tmp_path: Path) -> None:
    """As the console command meets it: names that our rooms have, too, are the user's in the user's file."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("")
    (tmp_path / "models" / "mynet.py").write_text("from torch import nn\n\nWIDTH = 16\nNet = nn.Sequential\n")
    (tmp_path / "train.py").write_text("DEPTH = 4\n")
    for name in ("theory", "sweeps"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('nobody asked for this')\n")
    (tmp_path / "net.py").write_text(
        "from torch import nn\nfrom models.mynet import Net, WIDTH\n\n"
        "def make():\n    from train import DEPTH  # when it is called\n"
        "    return Net(*[nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)])\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [str(Path(sys.executable).parent / "phasemap"), "probe"]
    for folder, file in ((tmp_path, "net.py:make"), (elsewhere, "../net.py:make")):
        words = [*command, file, "--input", "16", "--batch-size", "8", "--json"]
        ran = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)
        assert ran.returncode == 0, ran.stderr
        assert strict(ran.stdout)["parameters"] == 4 * (16 * 16 + 16)


def test_a_history_with_gaps_is_relative_to_the_last_layer_of_each_step() -> None:
    log_gradient = np.array([[0.0, 1.0, 3.0], [0.0, 2.0, np.nan]])
    ax = draw_history(np.array([0, 5]), ["a", "b", "c"], log_gradient, ax=Figure().subplots())
    drawn = np.ma.filled(ax.collections[0].get_array(), np.nan) * np.log(10)
    np.testing.assert_allclose(drawn, [[-3, -2], [-2, 0], [0, np.nan]])
    with pytest.raises(InputError, match="nothing to draw"):
        draw_history(np.empty(0, int), [], np.empty((0, 0)), ax=ax)
