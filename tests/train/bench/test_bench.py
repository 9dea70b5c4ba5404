"""The bench compares like with like: every method trains the same cells, and what it counts and says is right. No test
here depends on how fast anything is."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import phasemap.command_line
from phasemap.theory.errors import InputError
from phasemap.train.bench import command, roofline, table
from phasemap.train.bench.cases import (
    AGENT,
    ENGINE,
    GEMM_FRACTION,
    JAX,
    METHODS,
    ONE_BY_ONE,
    PLAIN,
    ROWS,
    SERIES,
    WORKERS,
    Row,
    Target,
    rows_of,
    series_tile,
)
from phasemap.train.bench.measure import Bench, Contestant, compare, divided, summary, tiles_of
from phasemap.train.bench.methods import engine, lightning_runs
from phasemap.train.bench.methods import plain_loop as plain
from phasemap.train.bench.methods import torch_vmap as vmapped
from phasemap.train.bench.methods.networks import network
from phasemap.train.bench.process import MODULES, Timing
from phasemap.train.cells import cells
from phasemap.train.data.catalogue import DATA_SETS
from phasemap.train.parameters import normalise
from tests import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "engine-cpu.json"
TINY: dict[str, Any] = {
    "width": 16,
    "batch_size": 32,
    "lr": 0.01,
    "depth": [3, 9],
    "seed": [0, 5],
    "test_size": 40,
    "dtype": "float32",
}
FAMILIES = {
    "sgd": {},
    "momentum": {"momentum": 0.9, "gamma": 1.5, "beta": 0.2, "sigma_w": 0.8},
    "rmsprop": {"optimizer": "rmsprop", "lr": 1e-3},
    "resnet": {"architecture": "resnet", "activation": "tanh", "widths": "16", "lr": 1e-3, "beta_v": 0.5},
}


def tile(family: str = "sgd", **changes: Any) -> dict[str, Any]:
    raw = {**TINY, **FAMILIES[family], **changes}
    return normalise({name: value for name, value in raw.items() if name != "width" or "widths" not in raw})


@pytest.fixture
def bench() -> Bench:
    said: list[str] = []
    peaks = {"gemm_flops_per_second": 1e9, "copy_bytes_per_second": 1e9}
    return Bench("cpu", 2, 0.01, False, DATA_SETS["digits"].size, {}, peaks, said.append)


def train_with_jax(parameters: dict[str, Any], device: str) -> Any:
    """Its losses, from a process of its own: where JAX was imported, no other may be forked."""
    code = (
        "import json; from phasemap.train.bench import jax_stack;"
        f"print(json.dumps(jax_stack.train({parameters!r}, {device!r})))"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise ValueError(ended.stderr)
    return json.loads(ended.stdout)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_trains_the_same_cells(family: str) -> None:
    """The rivals start from the engine's weights and see its samples: in float64 their losses are its losses."""
    parameters = tile(family, dtype="float64", steps=20)
    wanted = np.array(engine.train(parameters, "cpu"))
    assert wanted.shape == (4, 20)
    assert np.abs(np.diff(wanted, axis=0)).min() > 1e-6, "the cells must differ for the order to be tested"
    rivals = {"plain": plain.train, "vmap": vmapped.train, "lightning": lightning_runs.train}
    if importlib.util.find_spec("jax"):
        rivals["jax"] = train_with_jax
    for name, train in rivals.items():
        np.testing.assert_allclose(train(parameters, "cpu"), wanted, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.slow
def test_in_float32_the_loss_curves_of_engine_and_plain_loop_are_statistically_one() -> None:
    """Deep BN networks are chaotic: the curves of one cell part. Over seeds they must not, neither on average (paired
    t test) nor in distribution (Kolmogorov-Smirnov)."""
    parameters = tile(depth=20, width=32, seed=list(range(16)), steps=60, lr=0.02, dtype="float32")
    ours = np.array(engine.train(parameters, "cpu"))
    theirs = np.array(plain.train(parameters, "cpu")).reshape(*ours.shape, -1).mean(2)
    assert np.abs(ours[:, -1] - theirs[:, -1]).max() > 1e-4, "they did not part: nothing is tested"
    for part in (slice(0, 10), slice(10, 20)):
        a, b = ours[:, part].mean(1), theirs[:, part].mean(1)
        assert stats.ttest_rel(a, b).pvalue > 1e-3
        assert stats.ks_2samp(a, b).pvalue > 1e-3


def test_an_agents_run_trains_and_evaluates(capsys: pytest.CaptureFixture[str]) -> None:
    lightning_runs.main([json.dumps({**TINY, "depth": 3, "seed": 0, "lr": 0.05, "steps": 80}), "cpu"])
    accuracy = json.loads(capsys.readouterr().out)["test_accuracy"]
    torch.set_flush_denormal(False)
    content = engine.train_tile({**TINY, "depth": 3, "seed": 0, "lr": 0.05, "steps": 80})["content"]
    assert accuracy == pytest.approx(content["cells"][0]["test_accuracy"], abs=0.05)
    assert accuracy > 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_flops_are_those_that_torch_counts(family: str) -> None:
    (cell, *_) = cells(tile(family, dtype="float64", steps=1))
    model = network(cell, inputs=64, classes=10)
    with FlopCounterMode(display=False) as counter:
        x, y = torch.randn(32, 64, dtype=torch.float64), torch.randint(10, (32,))
        functional.cross_entropy(model(x), y).backward()
    assert roofline.flops(cell, inputs=64, classes=10) == counter.get_total_flops()


def test_bytes_of_a_network_counted_by_hand() -> None:
    (cell, *_) = cells(tile(depth=2, seed=0, dtype="float32", steps=1))
    weights = 64 * 16 + 16 * 16 + 16 * 10
    assert roofline.bytes_moved(cell, inputs=64, classes=10) == 4 * (6 * weights + 11 * 32 * 2 * 16)
    (block, *_) = cells(tile("resnet", depth=1, seed=0, dtype="float64", steps=1))
    weights = 64 * 16 + 2 * 16 * 16 + 16 * 10
    assert roofline.bytes_moved(block, inputs=64, classes=10) == 8 * (6 * weights + (9 + 6) * 32 * 16)


def test_the_floor_is_the_larger_of_its_two_terms() -> None:
    stack = cells(tile(steps=1, dtype="float32"))
    fast_memory = {"gemm_flops_per_second": 1e9, "copy_bytes_per_second": 1e15}
    found = roofline.floor(stack, fast_memory, inputs=64, classes=10)
    assert found["floor_seconds"] == found["gemm_seconds"] == found["flops"] / 1e9
    fast_products = {"gemm_flops_per_second": 1e15, "copy_bytes_per_second": 1e9}
    found = roofline.floor(stack, fast_products, inputs=64, classes=10)
    assert found["floor_seconds"] == found["memory_seconds"] == found["bytes"] / 1e9


def test_rows_are_trainable_and_their_samples_stand_for_all_cells() -> None:
    for row in ROWS.values():
        whole = cells(normalise({**row.tile, "steps": 1}))
        workers = [
            cell for part in tiles_of(WORKERS, row.tile, row.single) for cell in cells(normalise({**part, "steps": 1}))
        ]
        assert sorted(repr(dict(cell)) for cell in workers) == sorted(repr(dict(cell)) for cell in whole)
        for method in set(row.methods) & set(ONE_BY_ONE):
            (few,) = tiles_of(method, row.tile, row.single)
            depths = [cell["depth"] for cell in cells(normalise({**few, "steps": 1}))]
            wanted = np.mean([cell["depth"] for cell in whole])
            assert np.mean(depths) == pytest.approx(wanted, abs=2.5 if method == AGENT else 0), row.what
        known = {f"{ours}/{theirs}" for ours in (ENGINE, WORKERS) for theirs in METHODS}
        assert {target.ratio.removeprefix("whole ") for target in row.targets} <= known | {GEMM_FRACTION}
        for quick in cells(normalise({**row.tile, **row.quick, "steps": 1})):
            assert quick["width" if "width" in quick else "widths"]
    for name, values in SERIES.items():
        for value in values:
            points = cells(normalise({**series_tile(name, value), "steps": 1}))
            assert (len(points) if name == "members" else points[0][name]) == value


def test_rates_are_of_the_steps_alone_and_ratios_of_one_repetition(bench: Bench) -> None:
    ours, theirs = (Contestant(method, TINY, {"seed": [0]}, bench) for method in (ENGINE, PLAIN))
    ours.steps, theirs.steps = 10, 20
    ours.timings = [(Timing(1.0, 1.0), Timing(3.0, 2.0)), (Timing(1.0, 1.0), Timing(2.0, 2.0))]
    theirs.timings = [(Timing(1.0, 0.5), Timing(5.0, 4.5)), (Timing(1.0, 0.5), Timing(0.9, 4.5))]
    assert ours.rates("wall") == [4 * 10 / 2, 4 * 10 / 1]
    assert ours.rates("cpu") == [40.0, 40.0]
    assert theirs.rates("wall") == [2 * 20 / 4, None]
    assert divided(ours, theirs, "wall") == {"median": 2.0, "min": 2.0, "max": 2.0}
    assert ours.set_up() == pytest.approx(1 - 2 * 4 / 30)
    assert summary([3.0, None, 1.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}
    assert summary([None]) is None


@pytest.mark.parametrize(("a_step", "steps"), [(0.3, 4), (10.0, 4), (0.005, 200), (1e-5, 4096), (0.0, 4096)])
def test_the_steps_that_take_the_seconds_wanted_are_found(bench: Bench, a_step: float, steps: int) -> None:
    """Whatever the set-up takes; in few trainings, as each is one."""
    one = Contestant(ENGINE, TINY, {}, dataclasses.replace(bench, seconds=1.0))
    trained: list[int] = []

    def train(asked: int) -> Timing:
        trained.append(asked)
        return Timing(7.0 + a_step * asked, 0.0)

    one.train = train  # type: ignore[method-assign]
    one.calibrate()
    assert one.steps == steps
    assert len(trained) <= 6


def test_two_workers_share_an_odd_number_of_seeds() -> None:
    paper = ROWS["paper"]
    costs = [
        sum(cell["depth"] for cell in cells(normalise({**part, "steps": 1})))
        for part in tiles_of(WORKERS, paper.tile, paper.single)
    ]
    assert max(costs) < 1.1 * min(costs)


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")
def test_jax_without_a_gpu_is_no_rival_on_one() -> None:
    with pytest.raises(ValueError, match="RuntimeError: JAX has no GPU here, only cpu"):
        train_with_jax(tile(steps=1), "cuda")


@pytest.mark.slow
def test_a_row_for_real(bench: Bench, tmp_path: Path) -> None:
    row = Row(
        "tiny", TINY, {"seed": [0]}, (*MODULES, WORKERS, AGENT), {}, (Target("engine/plain", 0.0),), estimated=1000
    )
    bench = dataclasses.replace(bench, seconds=0.2)  # enough for noise to be smaller
    found = compare("tiny", row, bench)
    for method, entry in found["methods"].items():
        if method == JAX and not importlib.util.find_spec("jax"):
            assert entry == {"cell_steps_per_second": None, "reason": "not installed: jax"}
        elif method != AGENT:
            rates = entry["cell_steps_per_second"]
            assert 0 < rates["min"] <= rates["median"] <= rates["max"]
            assert entry["peak_bytes"] > entry["start_bytes"] > 1e7
    assert found["methods"][AGENT]["peak_bytes"] > 1e7
    assert found["whole_run"]["agent_seconds_per_cell"] > 0
    assert found["targets"][0]["reached"] is True
    assert found["roofline"]["fraction"] > 0
    assert sum(found["profile"]["shares"].values()) == pytest.approx(1)
    assert "tiny: of a step products" in "\n".join(table.targets({"rows": {"tiny": found}}))
    whole = compare("whole", dataclasses.replace(row, methods=(AGENT, ENGINE), from_start=5, estimated=None), bench)
    assert whole["ratios"].keys() == {"engine/agent"}
    broken = dataclasses.replace(row, tile={**TINY, "dataset": str(tmp_path / "none.npz")}, methods=(PLAIN,))
    compared = compare("broken", broken, bench)
    assert "none.npz" in compared["methods"][PLAIN]["reason"]


def test_the_readmes_table_is_made_of_the_results() -> None:
    readme = (ROOT / "README.md").read_text()
    assert table.replace(readme, table.block(table.read(RESULTS))) == readme


def test_the_results_are_strict_json_and_tell_nothing_of_the_user() -> None:
    text = RESULTS.read_text()
    results = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert socket.gethostname() not in text or len(socket.gethostname()) < 4
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    wanted = rows_of(None, gpu=False, quick=results["quick"])
    assert [name for name in wanted if name not in results["rows"]] == [
        n for n in ("scaling", "startup") if n in wanted
    ]
    for name, row in results["rows"].items():
        if name in ("paper", "grid"):
            assert row["ratios"] is None
            assert row["reason"]
            continue
        if not results["quick"]:
            assert row["methods"].keys() == set(ROWS[name].methods)
            assert [target["ratio"] for target in row["targets"]] == [target.ratio for target in ROWS[name].targets]
        for entry in row["methods"].values():
            assert entry["cell_steps_per_second"] or entry["reason"]
    documented = (ROOT / "docs" / "bench.md").read_text()
    for key in (*results, *results["rows"]["narrow"], *results["rows"]["narrow"]["methods"][ENGINE]):
        assert f"`{key}`" in documented, key


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        phasemap.command_line.main(["bench", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_table_goes_into_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    code, out, _ = call(capsys, "--table", str(RESULTS), "--into", str(page))
    assert code == 0
    assert page.read_text() == f"before\n{table.BEGIN}\n{out}{table.END}\nafter\n"
    page.write_text("no marks")
    code, _, err = call(capsys, "--table", str(RESULTS), "--into", str(page))
    assert (code, "there are no lines" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--rows", "narow"], "--rows narow: expected some of narrow, wide"),
        (["--rows", "paper", "--device", "cpu"], "--rows paper: expected some of narrow, wide"),
        (["--repeats", "0", "--device", "cpu"], "--repeats 0: expected at least 1"),
        (["--device", "none"], "--devices none: expected cpu"),
        (["--out", "nowhere/x.json", "--device", "cpu"], "--out nowhere/x.json: there is no folder nowhere"),
        (["--table", "none.json"], "--table none.json: No such file"),
        (["--into", "README.md"], "--into README.md: goes with --table"),
    ],
)
def test_bad_input(arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"phasemap: error: {expected}")


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert "Example: phasemap bench --quick --out bench.json" in " ".join(out.split())


def test_rows_that_fit_the_device() -> None:
    assert rows_of(None, gpu=False, quick=True) == ["narrow", "wide"]
    assert rows_of(None, gpu=False, quick=False) == [*(name for name in ROWS if name != "paper"), "scaling", "startup"]
    assert rows_of("startup, narrow", gpu=False, quick=False) == ["narrow", "startup"]
    assert rows_of(None, gpu=True, quick=False) == ["paper", "grid", "scaling", "startup"]
    with pytest.raises(InputError):
        rows_of(" ,", gpu=False, quick=False)


def test_a_foreign_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]")
    (tmp_path / "y.json").write_text("{")
    for name in ("x.json", "y.json"):
        with pytest.raises(InputError, match="expected a JSON file that phasemap bench wrote"):
            command.show(tmp_path / name, None)
