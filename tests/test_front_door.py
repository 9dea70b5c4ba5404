"""``import phasemap``: nothing heavy until it is used; a map is trained, opened and drawn; a network probed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import phasemap
from phasemap.theory.errors import InputError

SETTINGS = ["steps=3", "batch_size=[8, 16]", "depth=[2, 4, 6]", "seed=0", "width=8"]


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, phasemap; print(dir(phasemap)); "
        "print({'numpy', 'scipy', 'torch', 'xarray', 'matplotlib', 'typer'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["['load', 'plot', 'probe', 'run', 'theory']", "set()"]


def test_a_map_from_its_name_to_its_picture(tmp_path: Path) -> None:
    trained = phasemap.run("bn-fig3a", preset="smoke", out=tmp_path / "map", settings=SETTINGS, workers=1, quiet=True)
    assert trained.equals(phasemap.load(tmp_path / "map"))
    assert trained.sizes["depth"] == 3
    axes = phasemap.plot(trained, metric="train_accuracy")
    axes.figure.savefig(tmp_path / "map.png")  # type: ignore[union-attr]
    assert (tmp_path / "map.png").stat().st_size > 1000
    assert axes.get_xlabel() == "batch size B"


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
