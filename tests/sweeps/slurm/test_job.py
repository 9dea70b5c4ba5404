"""Job scripts for Slurm: what they ask for and start, and what becomes of them when their time is over."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.command_line import main
from phasemap.sweeps.slurm.job import Resources, agents_job, run_job
from phasemap.theory.errors import InputError
from tests import ROOT

SWEEP = "testers/phasemap/sweep0"


def script(**options: object) -> str:
    """Of a run on CPUs."""
    return run_job("my map.yaml", "runs/shared", Resources(gpus=0, **options), preset="quick", settings=["lr=0.1"])  # type: ignore[arg-type]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment to activate whose `phasemap` notes its arguments and ends with $CODE, `scontrol` which notes them,
    and `srun` that runs what it is given and, as Slurm's does, kills it when it is itself told to end."""
    log, task = (shlex.quote(str(tmp_path / name)) for name in ("log", "task"))
    commands = {
        "phasemap": f"""#!/bin/sh
log={log}
trap 'echo SIGTERM >> "$log"; exit 130' TERM
echo "$SRUN_CPUS_PER_TASK $@" >> {log}
[ -z "$WAIT" ] || while :; do sleep .05; done
exit ${{CODE:-0}}
""",
        "srun": f"""#!/bin/sh
while [ "${{1#--}}" != "$1" ]; do shift; done
"$@" & task=$!
trap 'kill -KILL $task' TERM
echo $task > {task}.new; mv {task}.new {task}
wait $task
""",
        "scontrol": f'#!/bin/sh\necho scontrol "$@" >> {log}\n',
        "activate": f"PATH={shlex.quote(str(tmp_path / 'venv' / 'bin'))}:$PATH\n",
    }
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    for name, text in commands.items():
        (tmp_path / "venv" / "bin" / name).write_text(text)
        (tmp_path / "venv" / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PHASEMAP_VENV", str(tmp_path / "venv"))
    for name, value in (("SLURM_JOB_ID", "17"), ("SLURM_ARRAY_JOB_ID", "17"), ("SLURM_ARRAY_TASK_ID", "2")):
        monkeypatch.setenv(name, value)
    return tmp_path


def submitted(text: str, home: Path, **environment: str) -> subprocess.Popen[bytes]:
    (home / "job.sbatch").write_text(text)
    return subprocess.Popen(["bash", str(home / "job.sbatch")], env={**os.environ, **environment}, cwd=home)


def test_a_job_starts_what_it_says(cluster: Path) -> None:
    assert submitted(script(cpus=3), cluster).wait(30) == 0
    assert submitted(agents_job(SWEEP, Resources(gpus=2)), cluster).wait(30) == 0
    assert (cluster / "log").read_text().splitlines() == [
        "3 run my map.yaml --preset quick --set lr=0.1 --out runs/shared --devices cpu --workers 3 --no-wait",
        f"4 agents {SWEEP} --devices 0,1 --count 1",
    ]


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (2, False), (130, True)])
def test_a_job_out_of_time_puts_itself_back_into_the_queue(cluster: Path, code: int, again: bool) -> None:
    """Slurm signals the step only, so that the run ends as interrupted and the script goes on."""
    assert submitted(script(), cluster, CODE=str(code)).wait(30) == code
    assert ("scontrol requeue 17_2" in (cluster / "log").read_text().splitlines()) == again


@pytest.mark.parametrize("text", [script(), agents_job(SWEEP, Resources())], ids=["run", "agents"])
def test_a_cancelled_job_lets_the_step_save_and_does_not_come_back(cluster: Path, text: str) -> None:
    job = submitted(text, cluster, WAIT="1")
    end = time.monotonic() + 30
    while not ((cluster / "log").exists() and (cluster / "task").exists()) and time.monotonic() < end:
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)  # scancel's goes to the batch shell and to the step's task
    time.sleep(0.2)
    os.kill(int((cluster / "task").read_text()), signal.SIGTERM)
    assert job.wait(30) == 130
    assert (cluster / "log").read_text().splitlines()[1:] == ["SIGTERM"]


def test_what_is_asked_of_slurm() -> None:
    """Signalled in time, put back when preempted, and a log that a second start does not truncate."""
    lines = script(jobs=8, cpus=3, memory="2G", time="1-00:00:00", partition="long").splitlines()
    asked = [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")]
    assert asked == [
        *("job-name=phasemap", "array=1-8", "cpus-per-task=3", "mem=2G", "time=1-00:00:00", "partition=long"),
        *("signal=TERM@90", "requeue", "open-mode=append", "output=logs/%x-%A_%a.out"),
    ]
    assert "#SBATCH --gpus=2" in agents_job(SWEEP, Resources(gpus=2)).splitlines()


@given(name=st.text(st.characters(exclude_characters="\n\r\x00", exclude_categories=["Cs"]), min_size=1))
@settings(max_examples=60, deadline=None)
def test_any_name_reaches_the_run_as_it_is(name: str) -> None:
    text = run_job(name, f"out {name}", Resources(), preset=None, settings=[f"x={name}"])
    (line,) = (line for line in text.split("\n") if line.startswith("step phasemap run"))
    words = shlex.split(line)
    assert words[3] == name
    assert words[words.index("--out") + 1] == f"out {name}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs", "0"], "--jobs 0: expected a whole number above 0"),
        (["--gpus", "-1"], "--gpus -1: expected a whole number, 0 for none"),
        (["--memory", "much"], "--memory much: expected a number with K, M, G or T, as 16G"),
        (["--time", "1:2\n3"], "--time 1:2"),
        (["--partition", "a b"], "--partition a b: expected a partition's name"),
        (["--preset", "huge"], "huge"),
        (["--wandb", SWEEP], "--wandb: a sweep has its experiment; give nothing else of one"),
    ],
)
def test_what_slurm_would_not_take(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["slurm", "bn-fig3a", *options])
    said = capsys.readouterr()
    assert end.value.code == 2
    assert said.out == ""
    assert message in said.err


def test_the_command_prints_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["slurm", "bn-fig3a", "--gpus", "0", "--set", "dataset=mnist"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("#!/bin/bash\n")
    assert "step phasemap run bn-fig3a --preset quick --set dataset=mnist --out runs/bn-fig3a-quick" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    with pytest.raises(InputError, match="ENTITY/PROJECT/SWEEP"):
        agents_job("sweep0", Resources())


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """In a shell, as they stand; ``sbatch`` only looks whether it gets a script."""
    page = (ROOT / "docs" / "clusters.md").read_text()
    first, own = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    made, handed_in, status = first.splitlines()
    (tmp_path / "sbatch").write_text("#!/bin/sh\nexec bash -n $1\n")
    (tmp_path / "sbatch").chmod(0o755)
    paths = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    both = f"set -e\n{made}\n{handed_in}\n"
    subprocess.run(["bash", "-c", both], cwd=tmp_path, env={**os.environ, "PATH": paths}, check=True)
    assert "step phasemap run bn-fig3a --preset quick" in (tmp_path / "job.sbatch").read_text()
    assert (tmp_path / "logs").is_dir()
    assert status == "phasemap status runs/bn-fig3a-quick"
    *asked, step = own.splitlines()
    script_lines = script().splitlines()
    assert all(line in script_lines for line in asked)
    words = shlex.split(step)
    assert words[:3] == ["srun", "--ntasks=1", "phasemap"]
    with pytest.raises(SystemExit) as end:
        main([*words[3:], "--check", "--set", "dataset=digits"])
    assert end.value.code == 0
