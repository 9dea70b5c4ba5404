"""Job scripts with the values filled in: what ``phasemap slurm`` prints."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from phasemap.theory.errors import InputError

_TIME = re.compile(r"\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2}")
_MEMORY = re.compile(r"\d+[KMGT]?")
_PARTITION = re.compile(r"[\w.,-]*")


@dataclass(frozen=True)
class Resources:
    """What each job of an array asks for.

    Attributes:
        jobs: in the array. gpus: of a job; 0: it trains on its CPUs. memory, time, partition: as Slurm writes them.
    """

    jobs: int = 1
    gpus: int = 1
    cpus: int = 4
    memory: str = "16G"
    time: str = "04:00:00"
    partition: str = ""

    def checked(self) -> Resources:
        """Itself. Raises InputError, a line for every value that Slurm would not take."""
        mistakes = [
            f"--{name} {value}: expected {words}"
            for name, value, good, words in (
                ("jobs", self.jobs, self.jobs > 0, "a whole number above 0"),
                ("gpus", self.gpus, self.gpus >= 0, "a whole number, 0 for none"),
                ("cpus", self.cpus, self.cpus > 0, "a whole number above 0"),
                ("memory", self.memory, _MEMORY.fullmatch(self.memory), "a number with K, M, G or T, as 16G"),
                ("time", self.time, _TIME.fullmatch(self.time), "HH:MM:SS or D-HH:MM:SS"),
                ("partition", self.partition, _PARTITION.fullmatch(self.partition), "a partition's name"),
            )
            if not good
        ]
        if mistakes:
            raise InputError(*mistakes)
        return self

    @property
    def devices(self) -> str:
        """As ``--devices`` has it. Slurm numbers the GPUs of a job from 0."""
        return ",".join(str(number) for number in range(self.gpus)) or "cpu"


def run_job(name: str, out: str, resources: Resources, *, preset: str | None, settings: Sequence[str]) -> str:
    """The script of an array of jobs that train one experiment into one folder.

    Args:
        name: of the experiment, or its file. settings: ``key=value`` each.

    Raises:
        InputError: resources that Slurm would not take.
    """
    words = ["phasemap", "run", name, *(["--preset", preset] if preset else [])]
    words += [word for setting in settings for word in ("--set", setting)]
    words += ["--out", out, "--devices", resources.checked().devices]
    words += [] if resources.gpus else ["--workers", str(resources.cpus)]
    return _filled("run.sbatch", resources, command=shlex.join(words), out=shlex.quote(out))


def agents_job(sweep: str, resources: Resources) -> str:
    """The script of an array of jobs with an agent on each GPU. Raises InputError as `run_job`, and for no sweep."""
    from phasemap.sweeps.sources.wandb_sweep import parse_path

    sweep = "/".join(parse_path(sweep))
    words = ["phasemap", "agents", sweep, "--devices", resources.checked().devices, "--count", "1"]
    return _filled("agents.sbatch", resources, command=shlex.join(words), sweep=shlex.quote(sweep))


def _filled(template: str, resources: Resources, **values: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    if any("\n" in value for value in values.values()):
        raise InputError("a job script holds no name with a line end in it")
    return environment.get_template(template).render(**asdict(resources), **values)
