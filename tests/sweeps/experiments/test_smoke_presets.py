"""Every experiment's smoke preset, for real and in this process: planned, trained, stored, and read into its map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.sweeps.experiments.experiment import available, load
from phasemap.sweeps.phase_map.from_results import build
from phasemap.sweeps.report.draw import draw
from phasemap.sweeps.sources.gather import gather
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.result import write

SHORTER = {"bn-fig3a": ["steps=60", "batch_size=[5, 32]"]}
"""Its smoke preset lasts long enough to be interrupted in; here a tenth of its steps and two of its tiles do."""
OWN_TEST = {"bn-fig4": "figures/trained/test_bn_fig4.py", "bn-fig7": "figures/trained/test_vgg_figures.py"}
"""Their smoke presets run to their page there."""
TO_THEIR_PAGE = ("bn-fig3b", "vv-fig3b")
"""Whose reports are drawn here too: one of each theory. Drawing is tested on made-up results."""
FIRST = ("bn-fig3a", "bn-fig3b", "bn-fig5b", "bn-residual", "vv-fig3b", "vv-fig2-zag", "vv-depth-scaling")
"""One of each kind of networks and axes; the others are as long, and slow together."""
HERE = [name for name in available() if name not in OWN_TEST]


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    """Results by key: figures 8 and 9 are the same trainings."""
    return {}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in FIRST else pytest.mark.slow) for name in HERE])
def test_the_smoke_preset_runs(name: str, trained: dict[str, Any], tmp_path: Path) -> None:
    experiment, out = load(name, "smoke", SHORTER.get(name, ())), Folder(tmp_path / name)
    planned = plan(experiment, at_work=["cpu"], trainer=TRAIN_ROOM)
    out.claim(experiment, planned.manifest)
    for tile in planned.tiles:
        if tile.key not in trained:
            trained[tile.key] = TRAIN_ROOM.train(
                tile.parameters, data_dir=None, device="cpu", progress=lambda state: None
            )
        write(out.result_file(tile.key), trained[tile.key])
    found = gather([str(out.path)])
    cells = [cell for content in found.contents for cell in content["cells"]]
    assert found.expected_cells is not None
    assert len(cells) == len(found.expected_cells)
    assert {cell["outcome"] for cell in cells} <= {"finished", "diverged", "dead"}
    assert any(cell["outcome"] == "finished" for cell in cells)
    assert all(0 <= cell["test_accuracy"] <= 1 for cell in cells if cell["outcome"] == "finished")
    if experiment.parameters.get("picture", "map") == "map":
        phase_map = build(found.contents, found.expected_cells)
        assert not (phase_map["outcome"] == "missing").any()
        assert np.isfinite(phase_map["test_accuracy"].values[phase_map["outcome"].values == "finished"]).all()
    if name in TO_THEIR_PAGE:
        assert f"<title>{name}" in draw([str(out.path)], out=None).read_text()


@pytest.mark.parametrize(("name", "file"), OWN_TEST.items())
def test_the_others_have_a_test_of_their_own(name: str, file: str) -> None:
    assert f'load("{name}", "smoke")' in (Path(__file__).parents[1] / file).read_text()
