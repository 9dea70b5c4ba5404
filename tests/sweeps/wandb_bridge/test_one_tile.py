"""One tile that is logged by hand: offline, to a server that is away, or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phasemap.sweeps.wandb_bridge.log import RESULT
from tests.sweeps.wandb_bridge.processes import call
from tests.sweeps.wandb_bridge.wandb_server import WandbServer

pytest.importorskip("wandb")


@pytest.mark.slow
def test_an_offline_run_is_uploaded_by_wandb_sync(server: WandbServer, client: Path) -> None:
    arguments = ["--depth", "3", "--lr", "0.1", "--steps", "10"]
    code, _, err = call("train", *arguments, "--wandb", "offline", "--device", "cpu")
    assert code == 0, err
    assert not server.runs
    (folder,) = (client / "dir" / "wandb").glob("offline-run-*")
    synced = [sys.executable, "-m", "wandb", "sync", str(folder)]
    subprocess.run(synced, check=True, capture_output=True, timeout=60)
    (run,) = server.runs.values()
    assert json.loads(run.summary[RESULT])["content"]["cells"][0]["outcome"] == "finished"


def test_without_being_asked_nothing_is_logged_and_wandb_is_not_imported(client: Path, server: WandbServer) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom phasemap.sweeps.execution.one_tile import train_one_tile\n"
        "train_one_tile({'depth': 3, 'lr': 1, 'steps': 3}, out=Path('out'), device='cpu')\n"
        "assert 'wandb' not in sys.modules and 'torch' not in sys.modules\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=client, env=environment)
    assert not server.requests


@pytest.mark.slow
def test_an_unreachable_server_costs_a_warning_and_not_the_result(
    client: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "3")
    server.stop()
    code, out, err = call("train", "--lr", "1", "--steps", "3", "--wandb", "online", "--device", "cpu")
    server.start()
    assert code == 1, (out, err)
    assert "W&B cannot be reached" in err
    assert Path(out.splitlines()[-1]).is_file()
