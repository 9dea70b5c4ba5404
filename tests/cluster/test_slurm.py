"""Job scripts under a real Slurm: whatever ends a job, its tile is saved, and the results are those of a quiet run."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.slurm.job import Resources, agents_job, run_job
from tests.cluster.slurm import Cluster, running, wait_for, why_not
from tests.sweeps.runs import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

YAML = """\
method: grid
parameters:
  x_axis: {value: batch_size}
  batch_size: {values: [8, 16, 24]}
  depth: {value: [4, 8]}
  width: {value: 64}
  lr: {value: 0.01}
  steps: {value: 3000}
"""
ON_CPUS = Resources(jobs=2, gpus=0, cpus=1, memory="500M", time="00:10:00")
LONG = 400.0


@pytest.fixture(scope="module", params=["linuxproc", "cgroup"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("slurm"), request.param) as found:
        found.environment |= {
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}:{found.environment['PATH']}",
        }
        found.environment["PYTHONPATH"] = str(ROOT / "src")
        (found.home / "small.yaml").write_text(YAML)
        yield found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results' contents of a run that nobody disturbs."""
    from phasemap.sweeps.execution.run import run_experiment

    home = tmp_path_factory.mktemp("undisturbed")
    (home / "small.yaml").write_text(YAML)
    assert run_experiment(str(home / "small.yaml"), out=home / "out", workers=1, device_list="cpu", report=False) == 0
    return contents(home / "out")


def contents(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text())["content"] for path in sorted((folder / "tiles").glob("*.json"))}


def losses(content: Any) -> list[tuple[float, float]]:
    return [(cell["train_loss"], cell["test_loss"]) for cell in content["cells"]]


def shared(out: str, **changes: Any) -> str:
    """The script of a run."""
    return run_job("small.yaml", out, replace(ON_CPUS, **changes), preset=None, settings=[])


def checkpoints(folder: Path) -> list[Path]:
    return list((folder / "locks").glob("*.ckpt"))


def in_flight(cluster: Cluster, out: str) -> bool:
    return bool(list((cluster.home / out / "locks").glob("*.lease")))


def test_an_array_that_is_put_back_and_runs_out_of_time(cluster: Cluster, undisturbed: dict[str, Any]) -> None:
    """One task is requeued by hand; the step of the other is signalled as before a time limit, twice."""
    job = cluster.submit(shared("shared"))
    wait_for(lambda: in_flight(cluster, "shared"), 120)
    cluster.call("scontrol", "requeue", f"{job}_1")
    cluster.call("scancel", "--signal=TERM", f"{job}_2.0")
    cluster.call("scancel", "--signal=TERM", f"{job}_2.0")
    wait_for(lambda: cluster.over(job), LONG)
    assert set(cluster.states(job)) == {"COMPLETED"}
    assert contents(cluster.home / "shared") == undisturbed
    assert (cluster.home / "shared" / "report.html").exists()
    assert not checkpoints(cluster.home / "shared")
    assert not re.search("Traceback|SystemExit", cluster.logs())
    for task in (1, 2):  # both runs of each are in its log
        assert (cluster.home / "logs" / f"phasemap-{job}_{task}.out").read_text().count("3000 steps each") >= 2


def test_a_cancelled_array_saves_and_does_not_come_back(cluster: Cluster, undisturbed: dict[str, Any]) -> None:
    job = cluster.submit(shared("cancelled", jobs=1))
    wait_for(lambda: in_flight(cluster, "cancelled"), 120)
    cluster.call("scancel", job)
    wait_for(lambda: cluster.over(job), 60)
    assert set(cluster.states(job)) == {"CANCELLED"}
    assert checkpoints(cluster.home / "cancelled")
    again = cluster.submit(shared("cancelled", jobs=1))
    wait_for(lambda: cluster.over(again), LONG)
    assert contents(cluster.home / "cancelled") == undisturbed


def test_a_preempted_job_goes_on(cluster: Cluster, undisturbed: dict[str, Any]) -> None:
    job = cluster.submit(shared("preempted", jobs=1))
    wait_for(lambda: in_flight(cluster, "preempted"), 120)
    urgent = cluster.submit(
        "#!/bin/bash\n#SBATCH --partition=high --cpus-per-task=4 --time=1 --output=logs/urgent\nsleep 3\n"
    )
    wait_for(lambda: cluster.over(urgent), 120)
    wait_for(lambda: cluster.over(job), LONG)
    assert contents(cluster.home / "preempted") == undisturbed


def test_without_srun_a_run_saves_itself_before_the_limit(cluster: Cluster) -> None:
    """A script of somebody who read no page: Slurm's early signal reaches nobody."""
    command = "phasemap run small.yaml --out alone --devices cpu --workers 1 --set steps=100000"
    job = cluster.submit(f"#!/bin/bash\n#SBATCH --time=00:02:00 --output=logs/alone\n{command}\n")
    wait_for(lambda: cluster.over(job), 200)
    said = (cluster.home / "logs" / "alone").read_text()
    assert "started without srun" in said
    assert "the time limit of the Slurm job is near: stopping" in said
    assert "stopped part-way and saved" in said
    assert checkpoints(cluster.home / "alone")


@pytest.mark.filterwarnings("ignore:Read the `app_url` setting:DeprecationWarning")  # W&B's own use of its settings
def test_agents_of_a_sweep(cluster: Cluster, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B's own client and agent under Slurm; requeued in flight, the run is handed out again and trained once."""
    pytest.importorskip("wandb")
    from phasemap.sweeps.sources.gather import gather
    from phasemap.sweeps.wandb_bridge.register import register
    from tests.sweeps.wandb_bridge.wandb_server import WandbServer

    server = WandbServer()
    try:
        there = server.environment(cluster.home)
        for name, value in there.items():
            monkeypatch.setenv(name, value)
        cluster.environment |= there
        sweep = register(str(cluster.home / "small.yaml"), preset="paper")
        job = cluster.submit(agents_job(sweep, replace(ON_CPUS, jobs=3)))
        wait_for(lambda: any(run.config for run in server.runs.values()), 120)
        cluster.call("scontrol", "requeue", f"{job}_1")
        wait_for(lambda: cluster.over(job), LONG)
        server.miss_heartbeats()  # W&B's process gets the same signal, and may be gone before it could tell of the end
        again = cluster.submit(agents_job(sweep, replace(ON_CPUS, jobs=3)))
        wait_for(lambda: cluster.over(again), LONG)
        found = gather([f"wandb:{sweep}"])
        assert {key: losses(result["content"]) for key, result in found.results.items()} == {
            key: losses(content) for key, content in undisturbed.items()
        }
        assert {run.state for run in server.runs.values()} == {"finished"}
    finally:
        server.stop()
