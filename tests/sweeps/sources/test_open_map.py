"""The one way from sources to a map: failed cells are told wherever a map is opened, and an empty source is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from phasemap.sweeps.commands import compare
from phasemap.sweeps.commands.export import export
from phasemap.sweeps.comparison import shared_function
from phasemap.sweeps.phase_map.squares import outcome_counts
from phasemap.sweeps.report.draw import draw
from phasemap.sweeps.sources.open_map import open_map
from phasemap.sweeps.store import result as store
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.theory.errors import InputError
from tests.sweeps.fake_backend import fake_result
from tests.sweeps.sources.test_status import folder_of


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder with one tile that was given up, one not yet run, and results of the others."""
    made, planned = folder_of(tmp_path / "out", "depth=[5, 10]")
    failed, _, *done = planned.tiles
    made.mark_failed(failed.key, 2, "out of luck")
    for tile in done:
        store.write(made.result_file(tile.key), fake_result(tile.parameters))
    return str(made.path)


def test_failed_cells_are_told_from_those_not_yet_run(folder: str) -> None:
    counts = outcome_counts(open_map([folder]))
    assert counts["failed"] == counts["missing"] > 0


def test_comparisons_and_advice_see_failed_cells_too(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from phasemap.sweeps.advice import batchnorm, kappa
    from phasemap.sweeps.advice.answer import advise

    seen: list[xr.Dataset] = []

    def transfer(a: xr.Dataset, b: xr.Dataset, metric: str) -> list[shared_function.Transfer]:
        seen.extend([a, b])
        return []

    def agreement_of(phase_map: xr.Dataset, source: str, arch: str) -> Agreement:
        seen.append(phase_map)
        return kappa.agreement_of(phase_map, source, arch)

    monkeypatch.setattr(shared_function, "transfer", transfer)
    monkeypatch.setattr(batchnorm, "agreement_of", agreement_of)
    compare.run(folder, folder)
    advise("bn-mlp", 30, {"eps": 0.0}, folder)
    assert len(seen) == 3
    assert all(outcome_counts(one)["failed"] > 0 for one in seen)


def test_sources_without_results_are_refused_everywhere_alike(tmp_path: Path) -> None:
    empty = str(folder_of(tmp_path / "out")[0].path)
    for ask in (
        lambda: open_map([empty]),
        lambda: compare.run(empty, "theory:tanh"),
        lambda: export([empty], format="csv", out=None),
        lambda: draw([empty], out=tmp_path / "r.html"),
    ):
        with pytest.raises(InputError, match="out: there are no results yet"):
            ask()


def test_what_was_left_out_is_said(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = next((Path(folder) / "tiles").glob("*.json"))
    file.write_text("{")
    open_map([folder])
    assert f"phasemap: warning: {folder}: " in capsys.readouterr().err
