"""``phasemap status`` and merging sources: every state of a tile is told from every other; nothing counts twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phasemap.sweeps.execution.plan import Plan, plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.phase_map.from_results import build
from phasemap.sweeps.sources.gather import gather
from phasemap.sweeps.sources.status import of, of_folder
from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.cell_table import to_csv
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.key import canonical
from phasemap.theory.errors import InputError
from tests.sweeps.fake_backend import FAKE, fake_result


def folder_of(path: Path, *settings: str) -> tuple[Folder, Plan]:
    planned = plan(load("bn-fig3a", "smoke", settings), at_work=["cpu"], trainer=FAKE)
    folder = Folder(path)
    folder.claim(planned.experiment, planned.manifest)
    return folder, planned


def test_every_state_of_a_tile(tmp_path: Path) -> None:
    folder, planned = folder_of(tmp_path / "out", "depth=[5, 95]")
    done, cut, failed, held, part, _ = planned.tiles
    for tile in (done, cut):
        store.write(folder.result_file(tile.key), fake_result(tile.parameters))
    folder.result_file(cut.key).write_text("{")
    folder.mark_failed(failed.key, 2, "out of luck")
    folder.checkpoint_file(part.key).touch()
    with folder.lock(held.key) as mine:
        assert mine
        status = of_folder(folder.path)
    assert [dict(tile.cells) for tile in status.tiles] == [
        {"finished": 2, "diverged": 2},
        {"missing": 4},
        {"failed": 4},
        {"running": 4},
        {"missing": 4},
        {"missing": 4},
    ]
    assert [tile.label for tile in status.tiles][:2] == ["batch_size=5", "batch_size=8"]
    assert [tile.note for tile in status.tiles[4:]] == ["stopped part-way and saved", ""]
    assert not status.complete
    text = status.text()
    assert "damaged result file" in text
    assert "out of luck; see logs/" in text
    total = next(line for line in text.splitlines() if line.startswith("total"))
    assert [int(number) for number in total.split()[1:]] == [2, 2, 0, 4, 4, 12]
    assert "given up after 2 attempts: out of luck" in folder.log_file(failed.key).read_text()
    found = gather([str(folder.path)])
    assert {cell["batch_size"] for cell in found.failed_cells} == {failed.parameters["batch_size"]}
    assert len(found.failed_cells) == 4


def test_requeue_takes_the_marks_away(tmp_path: Path) -> None:
    folder, planned = folder_of(tmp_path / "out")
    folder.mark_failed(planned.tiles[0].key, 2, "x")
    assert of(str(folder.path)).cells["failed"] == 12
    assert of(str(folder.path), requeue=True).cells["failed"] == 0


def test_a_folder_without_an_experiment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: there is no such folder"):
        of(str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="nothing: there is no such folder"):
        gather([str(tmp_path / "nothing")])
    with pytest.raises(InputError, match=r"there are no results of phasemap$"):
        gather([str(tmp_path)])
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file: is no folder"):
        gather([str(tmp_path / "file")])


def test_a_folder_of_output_folders_is_told_from_one_without(tmp_path: Path) -> None:
    for name in "abcd":
        folder_of(tmp_path / "runs" / name)
    home = tmp_path / "runs"
    said = f"but 4 folders of them below: {home / 'a'}, {home / 'b'}, {home / 'c'} …; phasemap report {home} --index"
    with pytest.raises(InputError, match=re.escape(said)):
        of(str(home))


def test_several_folders_are_merged_without_counting_twice(tmp_path: Path) -> None:
    first, planned = folder_of(tmp_path / "a")
    second, _ = folder_of(tmp_path / "b")
    third, other = folder_of(tmp_path / "c", "batch_size=[32, 48]")
    for folder, tiles in ((first, planned.tiles[:4]), (second, planned.tiles[3:]), (third, other.tiles)):
        for tile in tiles:
            store.write(folder.result_file(tile.key), fake_result(tile.parameters))
    found = gather([str(folder.path) for folder in (first, second, third)])
    assert sorted(found.results) == sorted({tile.key for tile in [*planned.tiles, *other.tiles]})
    assert len(found.results) == 7
    assert len(found.expected_cells or []) == 7 * 12
    assert [note.split(": ")[1] for note in found.notes] == [
        f"tile {planned.tiles[3].key[:8]} again, the same content",
        f"tile {planned.tiles[5].key[:8]} again, the same content",
    ]


def test_another_content_of_the_same_tile_is_told(tmp_path: Path) -> None:
    folders = [folder_of(tmp_path / name) for name in "ab"]
    for (folder, planned), loss in zip(folders, (1.0, 2.0), strict=True):
        result = fake_result(planned.tiles[0].parameters)
        result["content"]["cells"][0]["test_loss"] = loss
        store.write(folder.result_file(planned.tiles[0].key), result)
    found = gather([str(folder.path) for folder, _ in folders])
    assert "OTHER content: the first counts" in found.notes[0]
    assert found.contents[0]["cells"][0]["test_loss"] == 1.0


def test_results_of_single_tiles_need_no_manifest(tmp_path: Path) -> None:
    tile = folder_of(tmp_path / "a")[1].tiles[0]
    store.write(tmp_path / "b" / "tiles" / f"{tile.key}.json", fake_result(tile.parameters))
    found = gather([str(tmp_path / "b")])
    assert (len(found.results), found.expected_cells, found.experiment) == (1, None, None)
    assert found.contents == [fake_result(tile.parameters)["content"]]
    assert canonical(found.contents) == canonical([fake_result(tile.parameters)["content"]])
    status = of_folder(tmp_path / "b")
    assert [(entry.label, dict(entry.cells)) for entry in status.tiles] == [(tile.key[:8], {"finished": 12})]


def test_a_cell_that_several_tiles_hold_is_exported_once(tmp_path: Path) -> None:
    """Folders whose tiles overlap without being the same: seeds 0 and 1 here, 1 and 2 there."""
    for name, seeds in (("a", "[0, 1]"), ("b", "[1, 2]")):
        folder, planned = folder_of(tmp_path / name, f"seed={seeds}", "batch_size=[8]", "depth=[3]")
        store.write(folder.result_file(planned.tiles[0].key), fake_result(planned.tiles[0].parameters))
    found = gather([str(tmp_path / name) for name in "ab"])
    assert len(found.results) == 2
    assert len(found.expected_cells or []) == 3
    seeds = [line.split(",")[2] for line in to_csv(found.contents).splitlines()]
    assert seeds == ["seed", "0", "1", "2"]
    phase_map = build(found.contents, found.expected_cells)
    assert dict(phase_map.sizes) == {"depth": 1, "batch_size": 1, "seed": 3}
    assert phase_map.attrs["duplicates"] == 1
