"""A Slurm cluster of one pretended node on the loopback interface: munge, slurmctld and slurmd of Debian's packages."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

CLEARED = 15.0
"""Seconds after which a node has forgotten a job that was taken from it."""
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """\
ClusterName=phasemap
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=30
MailProg=/bin/true
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=bf_interval=1,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=2000
PartitionName=low Nodes={host} Default=YES PriorityTier=1 GraceTime=30
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF
"""


def why_not() -> str | None:
    """Why there can be no cluster here."""
    missing = [name for name in DAEMONS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} here"
    return None if os.geteuid() == 0 else "only root can start Slurm's daemons"


class Cluster:
    """Commands on the cluster that ``running`` started.

    Attributes:
        home: a folder for jobs. environment: of its commands.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home, self.environment = home, dict(environment)
        self.pending_since: dict[str, float] = {}

    def call(self, *words: str) -> str:
        """What a command of Slurm says."""
        ended = subprocess.run(
            words, env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, f"{words}: {ended.stderr}"
        return ended.stdout

    def submit(self, script: str, *options: str) -> str:
        """The number of the job of a script."""
        (self.home / "job.sbatch").write_text(script)
        (self.home / "logs").mkdir(exist_ok=True)
        return self.call("sbatch", "--parsable", *options, "job.sbatch").strip()

    def states(self, job: str) -> list[str]:
        """Of the tasks of an array that Slurm still knows."""
        said = self.call("scontrol", "--oneliner", "show", "job", job)
        return re.findall(r"JobState=(\w+)", said)

    def running(self, job: str) -> bool:
        """Whether any of its tasks is."""
        return "RUNNING" in self.states(job)

    def over(self, job: str) -> bool:
        """Whether all tasks have ended. Those back in the queue, which would wait for two minutes, are started once the
        node is done with them: before that it takes none of the same number."""
        states = self.states(job)
        if "PENDING" not in states:
            self.pending_since.pop(job, None)
        elif time.monotonic() - self.pending_since.setdefault(job, time.monotonic()) > CLEARED:
            words = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
            subprocess.run(words, env=self.environment, check=False, timeout=60, capture_output=True)
        return set(states) <= {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT"}

    def logs(self) -> str:
        """What all jobs said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted((self.home / "logs").iterdir()))


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.5)


@contextmanager
def running(home: Path, proctrack: str) -> Iterator[Cluster]:
    """A cluster whose daemons end with the block, by their process numbers. Skips where they do not start."""
    for name in ("state", "spool", "munge", "jobs"):
        (home / name).mkdir(parents=True)
    (home / "munge").chmod(0o700)
    (home / "munge" / "key").write_bytes(secrets.token_bytes(1024))
    (home / "munge" / "key").chmod(0o400)
    values = {"host": socket.gethostname().partition(".")[0], "ports": _free_ports(2), "home": home}
    configuration = home / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(proctrack=proctrack, **values))
    version = 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1
    groups = f"CgroupPlugin=cgroup/v{version}\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
    (home / "cgroup.conf").write_text(groups)
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    munge = [f"--{name}={home}/munge/{name.removesuffix('-file')}" for name in ("key-file", "pid-file", "log-file")]
    munge += [f"--seed-file={home}/munge/seed", f"--socket={home}/munge/socket"]
    commands = (
        ["munged", "--foreground", "--force", *munge],
        ["slurmctld", "-D", "-c", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration)],
    )
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        with (home / "daemons.log").open("wb") as log:
            for command in commands:
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
                time.sleep(1.5)
        cluster = Cluster(home / "jobs", environment)
        deadline = time.monotonic() + 30
        while (
            "idle"
            not in subprocess.run(
                ["sinfo", "--noheader"], env=environment, capture_output=True, text=True, check=False
            ).stdout
        ):
            if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in daemons):
                pytest.skip(f"Slurm does not start here: {(home / 'daemons.log').read_text()[-500:]}")
            time.sleep(0.5)
        yield cluster
        subprocess.run(["scancel", "--user=root"], env=environment, check=False, timeout=60)
        time.sleep(2)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
