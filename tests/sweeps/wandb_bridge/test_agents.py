"""W&B's own agents train a sweep, against a server on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from phasemap.sweeps.wandb_bridge.log import FAILURE, RESULT
from tests.sweeps.fake_backend import fake_result
from tests.sweeps.runs import ROOT, exported, run_fake, write_experiment
from tests.sweeps.wandb_bridge.processes import call, register, wait_for
from tests.sweeps.wandb_bridge.wandb_server import ENTITY, WandbServer

pytest.importorskip("wandb")

Start = Callable[..., subprocess.Popen[bytes]]
AGENT = (sys.executable, "-m", "wandb", "agent")


@pytest.mark.slow
def test_two_agents_train_every_tile_once_and_the_export_equals_a_local_run(
    server: WandbServer, client: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"HOME": str(client / "home-of-ada"), "MY_TOKEN": "t0ken-of-mine", "WANDB_API_KEY": "k3y" * 14}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    file = write_experiment(client / "mine.yaml", 4)
    assert run_fake(file, client / "local", quiet=True) == 0
    local = exported(client / "local")
    (client / "log").unlink()
    sweep = register(file)
    assert sweep == f"{ENTITY}/phasemap/sweep0"
    code, out, _ = call("status", f"wandb:{sweep}")
    assert out.splitlines()[-1].split() == ["total", "0", "0", "0", "0", "0", "16"]

    agents = [start(*AGENT, sweep) for _ in range(2)]
    assert [process.wait(120) for process in agents] == [0, 0]
    started = Counter((client / "log").read_text().split("\n"))
    assert sorted(count for line, count in started.items() if line.startswith("start")) == [1, 1, 1, 1]
    assert {run.state for run in server.runs.values()} == {"finished"}
    assert len({run.agent for run in server.runs.values()}) == 2

    code, out, err = call("export", f"wandb:{sweep}")
    assert code == 0, err
    assert out == local
    code, out, err = call("export", f"wandb:{sweep}", "local")
    assert out == local
    assert err.count("the same content") == 4
    code, out, _ = call("status", f"wandb:{sweep}")
    assert out.splitlines()[-1].split() == ["total", "8", "8", "0", "0", "0", "0"]
    assert server.unknown == []
    assert all(any(name.endswith(".png") for name in run.files) for run in server.runs.values())
    told = [*server.received, *(data for run in server.runs.values() for data in run.files.values())]
    told += [file.read_bytes() for place in ("dir", "runs") for file in Path(place).rglob("*") if file.is_file()]
    for secret in (*secrets.values(), str(client), str(ROOT)):
        assert not any(secret.encode() in part for part in told), secret


@pytest.mark.slow
def test_two_agents_finish_a_smoke_preset_that_is_really_trained(
    server: WandbServer, client: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")  # no fake trainer
    code, _, err = call("run", "bn-fig3a", "--preset", "smoke", "--out", "local", "--devices", "cpu")
    assert code == 0, err
    code, out, err = call("sweep", "bn-fig3a", "--preset", "smoke")
    assert code == 0, err
    sweep = out.splitlines()[-1]
    agents = [start(*AGENT, sweep, OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="") for _ in range(2)]
    assert [process.wait(1200) for process in agents] == [0, 0]
    code, out, err = call("status", f"wandb:{sweep}")
    assert sum(map(int, out.splitlines()[-1].split()[1:4])) == 72, (out, err)
    _, of_sweep, _ = call("export", f"wandb:{sweep}")
    _, of_folder, _ = call("export", "local")
    assert of_sweep == of_folder
    assert len(of_folder.splitlines()) == 73
    code, out, err = call("report", f"wandb:{sweep}", "--out", "report.html")
    assert code == 0, err
    assert "<svg" in Path("report.html").read_text() or "<img" in Path("report.html").read_text()


@pytest.mark.slow
def test_plain_wandb_sweep_accepts_every_experiment(server: WandbServer, client: Path) -> None:
    from phasemap.sweeps.experiments.experiment import available

    files = list(available().values())
    for path in files:
        done = subprocess.run(
            [sys.executable, "-m", "wandb", "sweep", str(path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "WANDB_SILENT": "false"},
        )
        assert "Run sweep agent with" in done.stderr
        assert "WARN" not in done.stderr
    assert len(server.sweeps) == len(files)


@pytest.mark.slow
def test_agents_survive_a_killed_run_and_a_requeue_frees_its_tile(server: WandbServer, client: Path) -> None:
    (client / "trouble").write_text("11 once-kill\n")
    sweep = register(write_experiment(client / "mine.yaml", 3))
    code, out, err = call("agents", sweep, "--devices", "cpu", "--restarts", "1")
    assert code == 1, (out, err)
    assert "--requeue frees the failed tiles" in err
    assert Counter(run.state for run in server.runs.values()) == {"finished": 2, "crashed": 1}
    code, out, _ = call("status", f"wandb:{sweep}", "--requeue")
    assert "crashed; requeued" in out
    assert len(server.runs) == 2
    code, out, err = call("agents", sweep, "--devices", "cpu")
    assert code == 0, err
    assert out.splitlines()[-1].split()[1:] == ["6", "6", "0", "0", "0", "0"]


@pytest.mark.slow
def test_the_next_agents_have_trained_what_a_killed_run_left(server: WandbServer, client: Path) -> None:
    (client / "trouble").write_text("11 once-kill\n12 raise\n")
    sweep = register(write_experiment(client / "mine.yaml", 3))
    assert call("agents", sweep, "--devices", "cpu", "--restarts", "0")[0] == 1
    assert Counter(run.state for run in server.runs.values()) == {"finished": 1, "crashed": 1, "failed": 1}
    (client / "trouble").write_text("")
    code, out, err = call("agents", sweep, "--devices", "cpu")
    assert "1 run had died without a word: handed out again" in err
    assert Counter(run.state for run in server.runs.values()) == {"finished": 2, "failed": 1}  # which said why
    assert code == 1
    assert out.splitlines()[-1].split()[1:] == ["4", "4", "0", "0", "4", "0"]


def test_a_run_that_fails_says_why_and_nothing_else(server: WandbServer, client: Path) -> None:
    (client / "trouble").write_text("12 told-raise\n")
    arguments = ["--width", "12", "--depth", "3", "--lr", "0.1", "--steps", "10"]
    code, _, _ = call("train", *arguments, "--wandb", "online", "--device", "cpu", MY_TOKEN="t0ken-of-mine")
    assert code == 1
    (run,) = server.runs.values()
    assert run.state == "failed"
    assert run.summary[FAILURE] == "RuntimeError: made to fail in ~"
    assert not any(b"t0ken-of-mine" in part or f"{Path.home()}".encode() in part for part in server.received)


@pytest.mark.slow
def test_a_server_that_fails_and_vanishes_and_comes_back_loses_nothing(
    server: WandbServer, client: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SECONDS", "4")
    sweep = register(write_experiment(client / "mine.yaml", 1))
    process = start(*AGENT, sweep)
    wait_for(lambda: any(run.config for run in server.runs.values()))
    server.stop()
    time.sleep(2)
    server.start()
    server.faults = 3
    assert process.wait(120) == 0
    assert server.faults == 0
    (run,) = server.runs.values()
    assert run.state == "finished"
    result = json.loads(run.summary[RESULT])
    assert result["content"] == json.loads(json.dumps(fake_result(result["content"]["parameters"])["content"]))


@pytest.mark.slow
def test_sigterm_marks_the_run_as_preempted_and_it_is_handed_out_again(
    server: WandbServer, client: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = register(write_experiment(client / "mine.yaml", 1))
    agents = start("phasemap", "agents", sweep, "--devices", "cpu", FAKE_SECONDS="100", FAKE_SAVES="1")
    wait_for(lambda: (client / "log").exists() and any(run.config for run in server.runs.values()))
    agents.send_signal(signal.SIGTERM)
    assert agents.wait(60) == 130
    (run,) = server.runs.values()
    assert run.state == "preempted"
    code, said, _ = call("status", f"wandb:{sweep}")
    assert code == 0
    assert "preempted, handed out again" in said
    assert said.splitlines()[-1].split() == ["total", "0", "0", "0", "0", "0", "4"]  # missing, not failed
    code, _, err = call("agents", sweep, "--devices", "cpu")
    assert code == 0, err
    assert list(server.runs.values()) == [run]
    assert run.state == "finished"


@pytest.mark.slow
def test_runs_die_with_the_command_that_watches_their_agents(server: WandbServer, client: Path, start: Start) -> None:
    sweep = register(write_experiment(client / "mine.yaml", 1))
    agents = start("phasemap", "agents", sweep, "--devices", "cpu", FAKE_SECONDS="100", FAKE_SAVES="1")
    wait_for(lambda: (client / "log").exists())
    assert trainers(client)
    agents.kill()
    agents.wait()
    wait_for(lambda: not trainers(client), 20)


def trainers(client: Path) -> list[Path]:
    """The processes `phasemap train` of this test, told from others on the machine by their environment."""
    here = str(client).encode()
    return [
        path
        for path in Path("/proc").glob("[0-9]*")
        if b"phasemap\0train" in said_by(path / "cmdline") and here in said_by(path / "environ")
    ]


def said_by(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
