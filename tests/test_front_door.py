"""``import phasemap``: nothing heavy until it is used; a map is trained, opened and drawn; a network probed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import phasemap
from phasemap.theory.errors import InputError
from tests import ROOT

SET = {"steps": 3, "batch_size": [8, 16], "depth": [2, 4, 6], "seed": [0, 1], "width": 8}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, Path]:
    out = tmp_path_factory.mktemp("front") / "map"
    return phasemap.run("bn-fig3a", preset="smoke", out=out, set=SET, workers=1, quiet=True), out


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, phasemap; print(dir(phasemap)); "
        "print({'numpy', 'scipy', 'torch', 'xarray', 'matplotlib', 'typer'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["['__version__', 'load', 'plot', 'probe', 'run', 'theory']", "set()"]


def test_a_map_from_its_name_to_its_picture(trained: tuple[xr.Dataset, Path], tmp_path: Path) -> None:
    found, out = trained
    assert found.identical(phasemap.load(out))
    assert found.sizes == {"depth": 3, "batch_size": 2, "seed": 2}
    axes = phasemap.plot(found, metric="train_accuracy")
    axes.figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000
    assert axes.get_xlabel() == "batch size B"


def test_what_the_theory_says_is_in_the_map(trained: tuple[xr.Dataset, Path]) -> None:
    found, out = trained
    for place, size in enumerate(SET["batch_size"]):
        xi = phasemap.theory.batchnorm("relu", size, eps=0.001)["depth_scale"][0]
        assert found["xi"][place] == xi
        assert found["predicted_depth"][place] == 16 * xi
        np.testing.assert_allclose(found["depth_over_xi"][:, place], found["depth"] / xi)
    with_curves = phasemap.load(out, curves=True, metric="train_accuracy")
    assert with_curves.attrs["judged_metric"] == "train_accuracy"
    assert with_curves["loss_curve"].dims == ("depth", "batch_size", "seed", "point")
    assert with_curves["loss_step"].max() == SET["steps"]


def test_plots_go_where_they_are_told(trained: tuple[xr.Dataset, Path]) -> None:
    from matplotlib import pyplot

    found, _ = trained
    figure, (left, right) = pyplot.subplots(1, 2)
    assert phasemap.plot(found, ax=left, colour_bar=False) is left
    bare = phasemap.plot(found, ax=right, overlay="none", colour_bar=False)
    assert len(left.lines) > len(bare.lines)
    assert phasemap.plot(found, colour_bar=False) is right  # pyplot's current axes
    pyplot.close(figure)
    with pytest.raises(InputError, match="overlay 'p': expected one of xi, none"):
        phasemap.plot(found, overlay="p")


def test_the_theory_and_the_probe() -> None:
    from phasemap.theory.activations import activation

    assert phasemap.theory.batchnorm.depth_scale(activation("relu"), 64).xi == pytest.approx(39.9 / 16, abs=0.01)
    network = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    found = phasemap.probe(network, torch.randn(8, 6, generator=torch.Generator().manual_seed(0)))
    assert len(found.layers) >= 2


def test_bad_input_is_one_error() -> None:
    with pytest.raises(InputError, match="unknown experiment 'bn-fig33'; did you mean"):
        phasemap.run("bn-fig33")
    with pytest.raises(AttributeError, match="no attribute 'plto'"):
        phasemap.plto  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda out: phasemap.run("bn-fig3a", set=["lr=1"]), "set: ['lr=1']: expected values by name"),
        (lambda out: phasemap.load(), "load: expected a folder, or wandb:"),
        (lambda out: phasemap.load(3), "load: 3: expected a folder, or wandb:"),
        (lambda out: phasemap.load([out, out]), "of several each is an argument"),
        (lambda out: phasemap.load(out, metric="acc"), "metric 'acc': expected one of test_accuracy, "),
        (lambda out: phasemap.load(out, fix="width=8"), "fix: 'width=8': expected values by name"),
        (lambda out: phasemap.plot(out, metric="acc"), "metric 'acc': expected one of test_accuracy, "),
        (lambda out: phasemap.plot(out, ax=3), "ax: int: expected one Axes"),
        (lambda out: phasemap.plot(out, ax=np.empty(2, object)), "ax: ndarray: expected one Axes"),
        (lambda out: phasemap.plot(3), "plot: int: expected what phasemap.load gives"),
        (lambda out: phasemap.plot(xr.Dataset()), "plot: Dataset: expected what phasemap.load gives"),
    ],
)
def test_a_wrong_type_or_name_is_said(
    trained: tuple[xr.Dataset, Path], call: Callable[[Path], object], words: str
) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as raised:
        call(trained[1])
    assert len(raised.value.messages) == 1


def test_the_version_is_one_everywhere() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{phasemap.__version__}"' in project
    assert f"version: {phasemap.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    ran = subprocess.run([sys.executable, "-m", "phasemap", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"phasemap {phasemap.__version__}\n"
