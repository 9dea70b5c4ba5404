"""The result store: keys, files written whole or not at all, and files that are no usable results."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.cell_table import to_csv
from phasemap.sweeps.store.folder import Folder, redact
from phasemap.sweeps.store.key import tile_key
from phasemap.theory.errors import InputError
from phasemap.train.parameters import normalise
from tests.sweeps.fake_backend import FAKE, fake_result

RAW: dict[str, Any] = {"depth": [2, 3], "batch_size": 8, "lr": 0.01, "steps": 5}
HOW: dict[str, Any] = {"dtype": "float32", "data_digest": "d", "semantics": 1}


def key(raw: dict[str, Any], **changes: Any) -> str:
    return tile_key(normalise(raw), **{**HOW, **changes})


def test_the_key_depends_on_what_decides_the_content_and_on_nothing_else() -> None:
    same = [
        dict(reversed(RAW.items())),
        {**RAW, "lr": "1e-2"},
        {**RAW, "lr": "0.010"},
        {**RAW, "depth": "[2, 3]"},
        {**RAW, "batch_size": 8.0},
        {**RAW, "beta": 0},
        {**RAW, "experiment": "x", "metric": "test_loss", "overlay": "none"},
        {key: value for key, value in RAW.items() if key != "lr"} | {"lr_per_sample": 0.00125},
    ]
    assert {key(raw) for raw in same} == {key(RAW)}
    other = [{**RAW, name: value} for name, value in {"lr": 0.02, "depth": [2, 4], "seed": 1, "width": 7}.items()]
    different = {key(raw) for raw in other} | {
        key(RAW, dtype="float64"),
        key(RAW, data_digest="e"),
        key(RAW, semantics=2),
    }
    assert len(different) == len(other) + 3
    assert key(RAW) not in different


def test_the_key_of_user_code_depends_on_the_file_and_not_on_its_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first, second = tmp_path / "mine.py", tmp_path / "a" / "renamed.py"
    for path in (first, second):
        path.write_text("import numpy as np\n\ndef phi(z): return np.tanh(z)\n")
    keys = [key({**RAW, "activation": f"{path}:phi"}) for path in (first, second)]
    assert keys[0] == keys[1]
    second.write_text("import numpy as np\n\ndef phi(z): return np.sin(z)\n")
    assert key({**RAW, "activation": f"{second}:phi"}) != keys[0]
    with pytest.raises(InputError, match="cannot be read"):
        key({**RAW, "activation": f"{tmp_path}/none.py:phi"})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "tiles" / f"{key(RAW)}.json"
    store.write(path, fake_result(normalise(RAW)))
    return path


def test_a_result_is_read_as_it_was_written(written: Path) -> None:
    assert store.read(written, semantics=1)["content"] == fake_result(normalise(RAW))["content"]
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def kind(path: Path) -> str:
    with pytest.raises(store.ResultError) as caught:
        store.read(path, semantics=1)
    return caught.value.kind


def test_a_file_cut_anywhere_is_damaged(written: Path) -> None:
    whole = written.read_bytes()
    for length in {0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 3}:
        written.write_bytes(whole[:length])
        assert kind(written) == "damaged"


def test_an_altered_number_is_damaged(written: Path) -> None:
    document = json.loads(written.read_text())
    document["content"]["cells"][0]["test_accuracy"] += 1e-9
    written.write_text(json.dumps(document))
    assert kind(written) == "damaged"


def test_newer_files_are_refused(written: Path) -> None:
    document = json.loads(written.read_text())
    document["provenance"]["schema"] = store.SCHEMA + 1
    written.write_text(json.dumps(document))
    assert kind(written) == "newer"
    store.write(written, fake_result(normalise(RAW), semantics=2))
    assert kind(written) == "newer"
    assert store.read(written, semantics=2)["content"]["semantics"] == 2


def test_results_of_an_older_training_are_read_and_older_layouts_refused(written: Path) -> None:
    assert store.read(written, semantics=7)["content"]["semantics"] == 1
    document = json.loads(written.read_text())
    document["provenance"]["schema"] = store.OLDEST_SCHEMA - 1
    written.write_text(json.dumps(document))
    with pytest.raises(store.ResultError, match=r"older result file .*: schema 0; this program reads 1 to 1"):
        store.read(written, semantics=1)


@pytest.mark.parametrize("text", ["hello", "[]", '{"content": 3}', '{"content": {}, "provenance": {}}'])
def test_files_that_are_no_results_are_foreign(written: Path, text: str) -> None:
    written.write_text(text)
    assert kind(written) == "foreign"


def test_a_result_under_another_name_is_foreign(written: Path) -> None:
    other = written.with_name("0" * 32 + ".json")
    written.rename(other)
    assert kind(other) == "foreign"


def test_nan_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    result = fake_result(normalise(RAW))
    result["content"]["cells"][0]["test_loss"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        store.write(tmp_path / "tiles" / "x.json", result)
    assert not list(tmp_path.rglob("*.json*"))


def test_a_full_disk_leaves_the_old_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.write(written, fake_result(normalise({**RAW, "width": 3})))
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def claimed(path: Path, *settings: str) -> tuple[Folder, Any]:
    planned = plan(load("bn-fig3a", "smoke", settings), at_work=["cpu"], trainer=FAKE)
    folder = Folder(path)
    folder.claim(planned.experiment, planned.manifest)
    return folder, planned


def test_a_folder_knows_its_experiment(tmp_path: Path) -> None:
    folder, planned = claimed(tmp_path / "out")
    assert folder.experiment().tiles() == planned.experiment.tiles()
    assert folder.manifest() == planned.manifest
    claimed(tmp_path / "out")  # the same once more
    with pytest.raises(InputError) as caught:
        claimed(tmp_path / "out", "width=64", "depth=[3, 5]")
    assert caught.value.messages == (
        f"--out {tmp_path}/out: holds another experiment: width is 48 there and 64 here",
        f"--out {tmp_path}/out: holds another experiment: depth is [4, 8, 12, 16, 20, 24] there and [3, 5] here",
    )


def test_a_folder_with_other_things_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        claimed(tmp_path / "thesis")
    with pytest.raises(InputError, match="is a file"):
        claimed(tmp_path / "thesis" / "chapter.tex")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_other_data_under_the_same_parameters_are_another_experiment(tmp_path: Path) -> None:
    folder, planned = claimed(tmp_path / "out")
    manifest = json.loads((folder.path / "manifest.json").read_text())
    manifest["data"] = dict.fromkeys(manifest["data"], "other")
    (folder.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="the same parameters, but data differ"):
        folder.claim(planned.experiment, planned.manifest)
    (folder.path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        folder.manifest()


def test_a_scan_counts_only_valid_results_of_the_experiment(tmp_path: Path) -> None:
    folder, planned = claimed(tmp_path / "out")
    tiles = planned.tiles
    for tile in tiles[:3]:
        store.write(folder.result_file(tile.key), fake_result(tile.parameters))
    whole = folder.result_file(tiles[1].key).read_bytes()
    folder.result_file(tiles[1].key).write_bytes(whole[: len(whole) // 2])
    store.write(folder.tiles / ("f" * 32 + ".json"), fake_result(tiles[5].parameters))
    (folder.tiles / "notes.txt").write_text("x")
    (folder.tiles / f".{tiles[4].key}.json.123.tmp").write_text("{")
    scan = folder.scan(1, planned.manifest.keys)
    assert set(scan.results) == {tiles[0].key, tiles[2].key}
    assert sorted(problem.kind for problem in scan.problems) == ["damaged", "foreign", "foreign"]
    for tile in (tiles[0], tiles[4]):
        folder.checkpoint_file(tile.key).write_text("saved")
    folder.remove_leftovers()
    assert not list(folder.tiles.glob(".*"))
    assert list(folder.locks.glob("*.ckpt")) == [folder.checkpoint_file(tiles[4].key)]  # the other tile is done


def _hold(folder: Path, key: str, held: Any, release: Any) -> None:
    with Folder(folder).lock(key) as mine:
        assert mine
        held.set()
        release.wait(30)


def test_a_lock_is_held_by_one_process_and_dies_with_it(tmp_path: Path) -> None:
    folder, planned = claimed(tmp_path / "out")
    key = planned.tiles[0].key
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(folder.path, key, held, release))
    holder.start()
    assert held.wait(30)
    with folder.lock(key) as mine:
        assert not mine
    assert set(folder.running()) == {key}
    holder.kill()
    holder.join()
    with folder.lock(key) as mine:
        assert mine
    assert not folder.running()


def test_logs_tell_neither_home_folders_nor_values_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)  # a place, too
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "ada"))
    monkeypatch.setenv("MY_KEY", "0123456789")
    monkeypatch.setenv("MY_PLACE", f"{tmp_path}/home/ada/venv")
    monkeypatch.setenv("MY_SWITCH", "1")
    monkeypatch.setenv("SLURM_JOB_NAME", "phasemap")
    log = tmp_path / "a.log"
    log.write_text(
        f'File "{tmp_path}/home/ada/x.py", line 1\n{tmp_path}/home/ada/venv/y\n{tmp_path}/home/adam\n'
        '"/home/ben/z"\nkey=0123456789 and 01234567890, a phasemap\n'
    )
    redact(log)
    assert log.read_text() == (
        f'File "~/x.py", line 1\n$MY_PLACE/y\n{tmp_path}/home/adam\n"~/z"\nkey=$MY_KEY and $MY_KEY0, a phasemap\n'
    )
    log.write_text("\n")
    redact(log)
    assert not log.exists()


def test_csv_is_the_same_whatever_the_order_and_says_what_varies() -> None:
    contents = [fake_result(normalise({**RAW, "batch_size": size, "depth": [100, 2]}))["content"] for size in (16, 8)]
    text = to_csv(contents)
    assert text == to_csv(reversed(contents))
    lines = [line.split(",") for line in text.splitlines()]
    assert lines[0][:5] == ["depth", "batch_size", "statistics_batch_size", "seed", "outcome"]
    assert [line[:2] for line in lines[1:]] == [["2", "8"], ["2", "16"], ["100", "8"], ["100", "16"]]
    assert [line[4:7] for line in lines[3:]] == [["diverged", "3", ""]] * 2
    assert float(lines[1][6]) == contents[1]["cells"][1]["test_accuracy"]
