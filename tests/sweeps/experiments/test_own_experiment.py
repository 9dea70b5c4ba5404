"""The experiments of docs/run.md, checked with the real data and theory, and one of them trained for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from phasemap.sweeps.commands.export import export
from phasemap.sweeps.execution.run import run_experiment as run
from tests.sweeps.runs import run_fake
from tests.test_readme import blocks, saved

PAGE = "docs/run.md"
CELLS = {"mine": 24, "rates": 24, "seeds": 24, "variances": 9, "widths": 9, "swish": 6, "ordinary": 6}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A folder with all that the page has its reader make."""
    for name, text in saved(PAGE).items():
        (tmp_path / name).write_text(text)
    for block in blocks(PAGE, "python"):
        if "np.savez" in block:
            exec(compile(block, PAGE, "exec"), {})
    return tmp_path


def test_every_example_is_checked(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.stem for path in page.glob("*.yaml")} == set(CELLS)
    for name, cells in CELLS.items():
        assert run(f"{name}.yaml", preset="paper", out=None, device_list="cpu", workers=2, check=True) == 0
        said = capsys.readouterr().out
        assert f"cells:  {cells}" in said
        assert "steps:  100 steps each" in said
        assert "with 2 workers on cpu" in said


@pytest.mark.slow
def test_own_activation_and_data_are_trained(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given by their full paths below the user's home folder, of which nothing that is written tells."""
    monkeypatch.setenv("HOME", str(page))
    settings = ["steps=5", f"activation={page}/swish.py:swish", f"dataset={page}/clouds.npz"]
    given: dict[str, Any] = {"preset": "paper", "out": Path("out"), "device_list": "cpu", "workers": 1}
    assert run("swish.yaml", settings=settings, **given) == 0
    export(["out"], format="netcdf", out=Path("out/map.nc"))
    with xr.open_dataset("out/map.nc", engine="h5netcdf") as phase_map:
        assert phase_map.attrs["activation"] == "~/swish.py:swish"
        assert phase_map.attrs["data"].startswith("clouds, 500 training and 100 test samples")
        assert dict(phase_map.sizes) == {"depth": 3, "batch_size": 2, "seed": 1}
        assert (phase_map["outcome"] == "finished").all()
    for file in Path("out").rglob("*"):
        assert not file.is_file() or str(page).encode() not in file.read_bytes(), file
    assert run("swish.yaml", settings=["steps=5"], check=True, **given) == 0  # where the files lie does not matter


def test_the_seed_as_an_axis_is_one_network_a_square(page: Path) -> None:
    assert run_fake("seeds.yaml", Path("out"), workers=1) == 0
    export(["out"], format="netcdf", out=Path("map.nc"))
    with xr.open_dataset("map.nc", engine="h5netcdf") as phase_map:
        assert dict(phase_map.sizes) == {"depth": 4, "seed": 6, "repeat": 1}
        assert (phase_map["outcome"] != "missing").all()
        assert phase_map.attrs["duplicates"] == 0
