"""`phasemap train` told to end: it saves what it trained, goes on when called again, and leaves nothing behind."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.execution.one_tile import train_one_tile as train
from phasemap.sweeps.wandb_bridge import log as wandb_log
from tests.sweeps.fake_backend import NAME

TILE = {"depth": [2, 4], "width": 12, "lr": 0.05, "steps": 60, "train_size": 200}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_tile_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    signals, seen = [number], []

    def progress(_log: Any, state: dict[str, Any]) -> None:
        seen.append(state["steps_done"])
        if signals and state["steps_done"] > 10:
            os.kill(os.getpid(), signals.pop())

    monkeypatch.setattr(wandb_log.Log, "progress", progress)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        train(TILE, out=tmp_path / "stopped", device="cpu", wandb_mode="disabled")
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is before
    (saved,) = (tmp_path / "stopped" / "locks").iterdir()
    assert saved.suffix == ".ckpt"
    count = len(seen)
    assert train(TILE, out=tmp_path / "stopped", device="cpu", wandb_mode="disabled") == 0
    assert seen[count] > seen[count - 1]  # not from the start
    assert not saved.exists()
    assert train(TILE, out=tmp_path / "whole", device="cpu", wandb_mode="disabled") == 0
    contents = [
        json.loads(next((tmp_path / name / "tiles").glob("*.json")).read_text())["content"]
        for name in ("stopped", "whole")
    ]
    assert contents[0] == contents[1]


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    tile = {"width": 12, "depth": 3, "lr": 0.1, "steps": 10}
    assert train(tile, out=tmp_path / "out", device="cpu", wandb_mode="disabled", trainer=NAME) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
