"""What status and export read of a sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.store.key import tile_key
from phasemap.sweeps.store.result import stamped
from phasemap.sweeps.wandb_bridge.log import RESULT
from phasemap.train.parameters import normalise
from tests.sweeps.fake_backend import fake_result
from tests.sweeps.runs import write_experiment
from tests.sweeps.wandb_bridge.processes import call, register
from tests.sweeps.wandb_bridge.wandb_server import ENTITY, Run, WandbServer

pytest.importorskip("wandb")


@pytest.mark.slow
def test_status_tells_duplicates_and_runs_that_belong_to_no_tile(server: WandbServer, client: Path) -> None:
    sweep = register(write_experiment(client / "mine.yaml", 2))
    common: dict[str, Any] = {"depth": [5, 95], "seed": [0, 1], "lr": 0.1, "steps": 10, "x_axis": "width"}
    for name, width, change in (
        ("a", 10, ("", "")),
        ("b", 10, ("", "")),
        ("c", 99, ("", "")),
        ("d", 11, ("finished", "dead")),
        ("e", 11, ('"schema": 1', '"schema": 2')),
    ):
        tile = normalise({**common, "width": width})
        key = tile_key(tile, dtype="float32", data_digest="d1g", semantics=1)
        config = {key: {"value": value} for key, value in tile.items()}
        summary = {RESULT: json.dumps(stamped(key, fake_result(tile))).replace(*change)}
        server.runs[name] = Run(name, "phasemap", "sweep0", None, None, "finished", config=config, summary=summary)
    server.runs["f"] = Run("f", "phasemap", "sweep0", None, None, "crashed")
    _, out, _ = call("status", f"wandb:{sweep}")
    assert "width=10         2         2" in out
    assert "2 runs, counted once" in out
    assert "warning: run c: no tile of this sweep" in out
    assert "warning: run d: damaged result: its content does not match its checksum" in out
    assert "warning: run e: newer result: schema 2; this program reads 1 to 1" in out
    assert "warning: run f (crashed): does not say its tile" in out
    _, csv, err = call("export", f"wandb:{sweep}")
    assert len(csv.splitlines()) == 1 + 2 * 4
    assert "tile" in err
    assert "again, the same content" in err
    call("status", f"wandb:{sweep}", "--requeue")
    assert sorted(server.runs) == ["a", "b", "c"]


def test_a_sweep_that_is_not_there(server: WandbServer, client: Path) -> None:
    code, _, err = call("export", f"wandb:{ENTITY}/phasemap/nothing")
    assert code == 2
    assert err.splitlines()[-1].startswith(f"phasemap: error: wandb:{ENTITY}/phasemap/nothing: cannot be read")
