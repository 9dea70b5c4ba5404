"""Processes: a Python of ours that does not find the user's modules, and sessions that end as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

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


def test_a_session_that_is_not_there_has_nobody() -> None:
    assert session_members(2**22 + 1) == []
