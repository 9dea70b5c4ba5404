"""``phasemap agents``: one W&B agent per device, watched, and ended together with the runs that they started.

An agent ends with code 0 also when it has given up, and one that is killed leaves its run training. So whether an agent
ended too early is judged by what the sweep still lacks, and each agent has a session that is ended as a whole.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phasemap.sweeps.execution.signals import INTERRUPTED, Interrupts, interrupts
from phasemap.sweeps.phase_map.points import check_map
from phasemap.sweeps.wandb_bridge.access import parse_path, require_wandb
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.machine import devices as machine
from phasemap.train.machine.processes import die_with_parent, kill_session

if TYPE_CHECKING:
    from phasemap.sweeps.sources.tile_status import Status

POLL = 0.5
GRACE = 30.0
"""Seconds that agents have to end in after SIGTERM before they and their runs are killed."""


@dataclass
class Agent:
    """One agent and its device; ``restarts`` is how often it was started again."""

    sweep: str
    device: str
    count: int | None
    restarts: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Starts the agent, in a session of its own."""
        environment = machine.environment(self.device)
        # An agent runs what is on PATH: this environment's `phasemap`.
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
        self.process = subprocess.Popen(
            agent_command(self.sweep, self.count),
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )

    def kill(self) -> None:
        """Kills the agent and whatever it started."""
        kill_session(self.process.pid)
        self.process.kill()
        self.process.wait()


def agent_command(sweep: str, count: int | None) -> list[str]:
    """wandb's own agent, run by this Python; signals are forwarded to runs where this version of wandb can."""
    from wandb.cli import cli

    options = {name for parameter in cli.agent.params for name in parameter.opts}
    forward = ["--forward-signals"] if "--forward-signals" in options else []
    counted = ["--count", str(count)] if count is not None else []
    return [sys.executable, "-m", "wandb", "agent", *forward, *counted, sweep]


def watch(
    sweep: str, *, devices: str | None = None, restarts: int = 3, count: int | None = None, grace: float = GRACE
) -> int:
    """Runs agents until the sweep has no more tiles for them.

    Returns:
        0: every tile has a result, or with ``count`` none has failed; 1: tiles are left that the agents could not do;
        130: interrupted.

    Raises:
        InputError: not ENTITY/PROJECT/SWEEP, no wandb, no such devices; the key is wrong, there is no such sweep, or
            what it would train makes no map.
    """
    sweep = "/".join(parse_path(sweep))
    require_wandb()
    at_work = machine.parse(devices)
    _check(sweep)
    from phasemap.sweeps.sources.status import status_of_sweep

    with interrupts() as interrupted:
        alive = [Agent(sweep, device, count) for device in at_work]
        try:
            while alive and not interrupted:
                time.sleep(POLL)
                for agent in [agent for agent in alive if agent.process.poll() is not None]:
                    code = agent.process.returncode
                    agent.kill()  # what a dead agent left training
                    if agent.restarts < restarts and count is None and _ended_too_early(sweep, code):
                        agent.restarts += 1
                        print(
                            f"agent on {agent.device} ended with code {code}: start {agent.restarts}", file=sys.stderr
                        )
                        time.sleep(POLL * 2**agent.restarts)
                        with suppress(InputError):  # the server is out of reach: the agent will see whether that lasts
                            _free_what_died(status_of_sweep(f"wandb:{sweep}"))
                        agent.start()
                    else:
                        alive.remove(agent)
            if interrupted:
                _end(alive, interrupted, grace)
        finally:
            for agent in alive:  # the others' processes are gone, and their numbers may be somebody else's
                agent.kill()
    if interrupted:
        print(f"interrupted; phasemap agents {sweep} goes on", file=sys.stderr)
        return INTERRUPTED
    return _conclude(sweep, partly=count is not None)


def _check(sweep: str) -> None:
    """Reads the sweep once before any agent is started, which would try again and again. Raises InputError."""
    from phasemap.sweeps.sources.status import status_of_sweep

    status = status_of_sweep(f"wandb:{sweep}")
    if status.experiment:
        check_map(status.experiment, status.experiment.tiles())
    _free_what_died(status)


def _free_what_died(status: Status) -> None:
    """Has the tiles handed out again that an agent was at when it, or whoever watched it, was killed."""
    if freed := status.free_died():
        print(f"{counted(freed, 'run')} had died without a word: handed out again", file=sys.stderr)


def _ended_too_early(sweep: str, code: int) -> bool:
    """Whether an agent should have gone on: the sweep has tiles that nobody was given, or it died before the end."""
    from phasemap.sweeps.sources.status import status_of_sweep

    try:
        status = status_of_sweep(f"wandb:{sweep}")
    except InputError:  # the server cannot be reached, which may be why the agent ended
        return True
    return status.cells["missing"] > 0 or (code != 0 and not status.complete)


def _conclude(sweep: str, *, partly: bool) -> int:
    """Prints the sweep's status; 0 if it is complete, or, where the agents were to do a part of it, if none failed."""
    from phasemap.sweeps.sources.status import status_of_sweep

    status = status_of_sweep(f"wandb:{sweep}")
    print(status.text())
    if status.complete or (partly and not status.cells["failed"]):
        return 0
    print(f"phasemap status wandb:{sweep} --requeue frees the failed tiles", file=sys.stderr)
    return 1


def _end(agents: list[Agent], interrupted: Interrupts, grace: float) -> None:
    """Passes the signal on; interrupts that insist, or the end of ``grace``, leave the rest to be killed."""
    print(f"interrupted: agents have {grace:.0f} s to end; Ctrl-C again: at once", file=sys.stderr)
    for agent in agents:
        agent.process.terminate()
    deadline = time.monotonic() + grace
    while any(agent.process.poll() is None for agent in agents):
        if time.monotonic() > deadline or interrupted.insist(grace):
            return
        time.sleep(POLL)
