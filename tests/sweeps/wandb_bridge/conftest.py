"""A W&B server on the loopback interface, a folder whose processes know it, and processes that end with the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phasemap.train.machine.processes import kill_session
from tests.sweeps.fake_backend import NAME
from tests.sweeps.runs import ROOT
from tests.sweeps.wandb_bridge.wandb_server import WandbServer

SITE = f"""\
import importlib.util, sys

def impatient(module):
    module.Agent.POLL_INTERVAL = 0.3

def fake(module):
    sys.path.insert(0, {str(ROOT)!r})
    real = module.train_one_tile
    module.train_one_tile = lambda *arguments, **options: real(*arguments, **options, trainer={NAME!r})

class Change:
    changes = {{"wandb.wandb_agent": impatient, "phasemap.sweeps.execution.one_tile": fake}}

    def find_spec(self, name, path, target=None):
        change = self.changes.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Change())
"""
"""A `sitecustomize` for every process of these tests: `phasemap train` uses the fake trainer, and the agent, otherwise
unmodified, asks for work more often than every five seconds."""


@pytest.fixture
def server() -> Iterator[WandbServer]:
    server = WandbServer()
    yield server
    server.stop()


@pytest.fixture
def client(server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, an environment that knows the server, and `phasemap` on the PATH."""
    for name, value in server.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAKE_TROUBLE", str(tmp_path / "trouble"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    return tmp_path


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process in a session of its own, which is ended with the test."""
    started = []

    def start(*command: str, **environment: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, start_new_session=True, env={**os.environ, **environment}))
        return started[-1]

    yield start
    for process in started:
        kill_session(process.pid)
        process.wait()
