"""Processes: a Python of ours that does not find the user's modules, and sessions that end as a whole."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from phasemap.theory.errors import InputError
from phasemap.train.machine import processes
from phasemap.train.machine.processes import kill_session, python_command, session_members


def test_another_python_searches_where_this_one_does_and_not_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "phasemap.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong one')")
    command = python_command("phasemap.sweeps.execution.local.worker")
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "not enough values to unpack" in ended.stderr  # it came as far as its arguments


def test_a_session_is_killed_whoever_the_parent_is_by_now() -> None:
    code = "import subprocess, os; print(subprocess.Popen(['sleep', '100']).pid, flush=True); os._exit(0)"
    leader = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, text=True)
    assert leader.stdout
    child = int(leader.stdout.readline())
    leader.stdout.close()
    leader.wait()
    assert [member.pid for member in session_members(leader.pid)] == [child]
    kill_session(leader.pid)
    end = time.monotonic() + 10
    while any(member.status() != "zombie" for member in session_members(leader.pid)):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_this_session_has_this_process() -> None:
    assert os.getpid() in [member.pid for member in session_members(os.getsid(0))]


def test_too_little_address_space_is_said_before_pytorch_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (resource.RLIM_INFINITY, processes.LIBRARIES):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        processes.check_limits()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (7 * 10**8, 7 * 10**8))
    with pytest.raises(InputError, match="ulimit -v 683593: Python with PyTorch takes more; expected at least 1048576"):
        processes.check_limits()


def test_a_python_of_ours_does_not_outlive_whoever_started_it() -> None:
    code = (
        "import subprocess, time\nfrom phasemap.train.machine.processes import python_command\n"
        "*python, code = python_command('x')\n"
        "code = code.partition('from x import')[0] + 'import time; time.sleep(100)'\n"
        "print(subprocess.Popen([*python, code]).pid, flush=True)\ntime.sleep(100)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 20
    while psutil.pid_exists(child) and psutil.Process(child).status() != "zombie":
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_session_that_is_not_there_has_nobody() -> None:
    assert session_members(2**22 + 1) == []
