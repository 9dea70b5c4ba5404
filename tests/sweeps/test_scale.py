"""What thousands of tiles and cells cost, without a clock: how often the costly is done, and what memory keeps."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.sweeps.experiments import yaml_document
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.sources.gather import gather
from phasemap.sweeps.sources.status import of_folder
from phasemap.sweeps.store import result as results
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.verdict.kappa_interval import _AT_ONCE, _Columns
from phasemap.theory.batchnorm import gradient_explosion
from phasemap.train import parameters
from phasemap.train.cells import cells, same_training
from phasemap.train.families import batchnorm_mlp
from tests.sweeps.fake_backend import FAKE, fake_result


def write_grid(path: Path, rows: int, columns: int = 6) -> Path:
    """A tile for each square of depth by batch size, with four seeds in it."""
    depths = ", ".join(str(2 + row) for row in range(rows))
    sizes = ", ".join(str(4 + column) for column in range(columns))
    path.write_text(
        "method: grid\nparameters:\n  lr: {value: 0.1}\n  steps: {value: 10}\n  seed: {value: [0, 1, 2, 3]}\n"
        f"  depth: {{values: [{depths}]}}\n  batch_size: {{values: [{sizes}]}}\n"
    )
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each was called."""
    counted: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        function: Callable[..., Any] = getattr(module, name)

        def counting(*given: Any, **named: Any) -> Any:
            counted[name] += 1
            return function(*given, **named)

        monkeypatch.setattr(module, name, counting)

    batchnorm_mlp._log_rate.cache_clear()
    yaml_document.read_yaml.cache_clear()
    count(yaml_document.yaml, "parse")
    count(parameters, "checked")
    count(gradient_explosion, "explosion_rate")
    count(results, "_checksum")
    return counted


def test_a_plan_reads_once_checks_every_tile_once_and_asks_the_theory_once_for_a_column(
    tmp_path: Path, calls: Counter[str]
) -> None:
    found = {}
    for rows in (10, 20):
        batchnorm_mlp._log_rate.cache_clear()
        calls.clear()
        planned = plan(load(str(write_grid(tmp_path / f"{rows}.yaml", rows))), at_work=["cpu"], trainer=TRAIN_ROOM)
        assert len(planned.tiles) == 6 * rows
        found[rows] = dict(calls)
    assert found[10]["parse"] == found[20]["parse"] <= 3
    assert (found[10]["checked"], found[20]["checked"]) == (60, 120)
    assert found[10]["explosion_rate"] == found[20]["explosion_rate"] == 6


def test_a_folder_is_read_file_by_file_and_what_its_cells_share_is_there_once(
    tmp_path: Path, calls: Counter[str]
) -> None:
    experiment = load(str(write_grid(tmp_path / "grid.yaml", 8)))
    planned = plan(experiment, at_work=["cpu"], trainer=FAKE)
    folder = Folder(tmp_path / "out")
    folder.claim(experiment, planned.manifest)
    for tile in planned.tiles:
        results.write(folder.result_file(tile.key), fake_result(dict(tile.parameters)))
    calls.clear()
    assert of_folder(folder.path).cells["finished"] == 8 * 6 * 4
    assert calls["_checksum"] == 0  # the files are as they were written: nothing is spelt anew to see that
    assert calls["checked"] == 0
    found = gather([str(folder.path)])
    for content in found.contents:
        assert {id(cell["parameters"].tile) for cell in content["cells"]} == {id(content["parameters"])}
        assert len({id(cell["history"]["step"]) for cell in content["cells"]}) == 1
    size = sum(sys.getsizeof(cell) + sys.getsizeof(cell.own) for cell in found.expected_cells or [])
    assert size / (8 * 6 * 4) < 400  # bytes; a dictionary of all parameters alone has more than a thousand


def test_a_cell_is_the_mapping_of_all_its_parameters() -> None:
    tile = parameters.normalise(
        {"architecture": "resnet", "depth": [2, 3], "lr": 0.1, "steps": 1, "beta_w": [0.5, 1.0], "beta_b": "@beta_w"}
    )
    (first, *_, last) = found = cells(tile)
    assert len(found) == 4
    assert (last["depth"], last["beta_w"], last["beta_b"], last.get("lr"), last.get("none", 7)) == (3, 1.0, 1.0, 0.1, 7)
    assert dict(first) == first.parameters == first
    assert list(first) == list(tile)
    assert len({same_training(cell) for cell in found}) == 4
    for cell in found:
        assert same_training(cell) == same_training(dict(cell))


def test_the_bootstrap_holds_a_bounded_part_of_its_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    columns = _Columns(np.arange(5.0, 45.0), rng.uniform(0, 1, (40, 20, 10)), np.full(20, 2.0))
    draws = rng.multinomial(10, np.full(10, 0.1), size=400).astype(float)[:, None]
    sizes = []
    at_once = _Columns._at_once

    def noted(self: _Columns, threshold: float, weights: Any) -> Any:
        sizes.append(len(weights) * self.accuracy.size)
        return at_once(self, threshold, weights)

    monkeypatch.setattr(_Columns, "_at_once", noted)
    in_parts = columns.log_ratios(0.5, draws)
    assert len(sizes) > 1
    assert max(sizes) <= _AT_ONCE
    np.testing.assert_array_equal(in_parts, at_once(columns, 0.5, draws))


def test_a_damaged_checksum_of_the_spelling_is_found_whichever_byte_it_is(tmp_path: Path) -> None:
    tile = parameters.normalise({"depth": 2, "lr": 0.1, "steps": 10})
    path = tmp_path / f"{'0' * 32}.json"
    results.write(path, fake_result(tile))
    whole = path.read_bytes()
    start = whole.index(b'"seal"')
    for place in range(start, len(whole) - 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(bytes(damaged))
        with pytest.raises(results.ResultError):
            results.read(path, semantics=1)
