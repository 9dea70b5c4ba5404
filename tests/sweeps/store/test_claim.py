"""A folder is claimed by one experiment, whoever else starts at the same moment or was killed in the middle of it."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.store import folder as folder_room
from phasemap.sweeps.store.folder import Folder
from phasemap.theory.errors import InputError
from tests.sweeps.fake_backend import FAKE


def planned(*settings: str) -> Any:
    return plan(load("bn-fig3a", "smoke", settings), at_work=["cpu"], trainer=FAKE)


def test_of_different_experiments_at_one_moment_one_has_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step of a claim waits for a random while, so that the steps of several mix in many ways."""
    plans = [planned(), planned("lr=0.5"), planned("depth=[2, 3]"), planned()]
    real, draw = folder_room.write_text, random.Random(0)

    def slow_write(path: Path, text: str, *, new: bool = False) -> None:
        threading.Event().wait(draw.random() * 0.004)
        real(path, text, new=new)

    monkeypatch.setattr(folder_room, "write_text", slow_write)
    for trial in range(15):
        folder, barrier = Folder(tmp_path / str(trial)), threading.Barrier(len(plans))
        claimed: list[int] = []

        def claim(which: int, folder: Folder = folder, barrier: Any = barrier, claimed: list[int] = claimed) -> None:
            barrier.wait()
            with suppress(InputError):  # it holds another experiment
                folder.claim(plans[which].experiment, plans[which].manifest)
                claimed.append(which)

        threads = [threading.Thread(target=claim, args=(which,)) for which in range(len(plans))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(claimed) in ([0, 3], [1], [2]), trial
        assert folder.manifest() == plans[claimed[0]].manifest
        assert folder.experiment().text() == plans[claimed[0]].experiment.text()
        assert not list(folder.path.glob(".*"))


def test_a_claim_that_was_killed_in_the_middle_is_of_its_experiment_or_of_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = planned(), planned("lr=0.5")
    for steps in range(2):
        folder, written = Folder(tmp_path / str(steps)), []
        real = folder_room.write_text

        def killed(
            path: Path, text: str, *, new: bool = False, steps: int = steps, real: Any = real, written: Any = written
        ) -> None:
            if len(written) == steps:
                raise KeyboardInterrupt
            written.append(path)
            real(path, text, new=new)

        with monkeypatch.context() as patch:
            patch.setattr(folder_room, "write_text", killed)
            with pytest.raises(KeyboardInterrupt):
                folder.claim(mine.experiment, mine.manifest)
        if steps:
            with pytest.raises(InputError, match="holds another experiment: lr is"):
                folder.claim(other.experiment, other.manifest)
            folder.claim(mine.experiment, mine.manifest)
            assert folder.manifest() == mine.manifest
        else:
            folder.claim(other.experiment, other.manifest)
            assert folder.manifest() == other.manifest


def test_the_same_parameters_on_other_data_do_not_share_a_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, folder = planned(), Folder(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tiles").mkdir()
    (tmp_path / "out" / "experiment.yaml").write_text(mine.experiment.text())  # another run is between its two steps
    folder.check(mine.experiment, mine.manifest)
    real = folder_room.write_text

    def other_first(path: Path, text: str, *, new: bool = False) -> None:
        if path.name == "manifest.json" and new:
            real(path, text.replace("d1g", "other"))
        real(path, text, new=new)

    monkeypatch.setattr(folder_room, "write_text", other_first)
    with pytest.raises(InputError, match="the same parameters, but data differ"):
        folder.claim(mine.experiment, mine.manifest)


@pytest.mark.parametrize("name", ["tiles", "locks", "failed", "logs"])
def test_nothing_is_written_through_a_link_that_leaves_the_folder(tmp_path: Path, name: str) -> None:
    mine, folder = planned(), Folder(tmp_path / "out")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out" / "tiles").mkdir(parents=True)
    if name == "tiles":
        (tmp_path / "out" / "tiles").rmdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "theirs")
    with pytest.raises(InputError, match=f"{name}: is a link to .*theirs, outside"):
        folder.claim(mine.experiment, mine.manifest)
    assert not list((tmp_path / "theirs").iterdir())


def test_a_lock_that_is_a_link_is_replaced(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    folder.locks.mkdir(parents=True)
    (tmp_path / "precious").write_text("kept")
    (folder.locks / "k.lock").symlink_to(tmp_path / "precious")
    with folder.lock("k") as mine:
        assert mine
    assert (tmp_path / "precious").read_text() == "kept"
