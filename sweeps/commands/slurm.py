"""``phasemap slurm``: a job script for a Slurm cluster."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Settings
from phasemap.theory.errors import InputError


def command(
    name: Annotated[Optional[str], typer.Argument(help="an experiment, or a YAML file of your own")] = None,  # noqa: UP045
    preset: Annotated[Optional[str], typer.Option(help="as of phasemap run")] = None,  # noqa: UP045
    out: Annotated[str, typer.Option(help="the folder that all jobs share; default: runs/NAME")] = "",
    settings: Settings = None,
    wandb: Annotated[str, typer.Option(help="ENTITY/PROJECT/SWEEP: agents of this W&B sweep instead")] = "",
    jobs: Annotated[int, typer.Option(help="jobs in the array")] = 4,
    gpus: Annotated[int, typer.Option(help="GPUs of a job; 0: it trains on its CPUs")] = 1,
    cpus: Annotated[int, typer.Option(help="CPUs of a job")] = 4,
    memory: Annotated[str, typer.Option(help="of a job")] = "16G",
    time: Annotated[str, typer.Option(help="limit of a job")] = "04:00:00",
    partition: Annotated[str, typer.Option(help="that the jobs go to; default: the cluster's")] = "",
) -> None:
    """Prints a job script for Slurm: runs that share a folder, or W&B agents.

    Example: phasemap slurm bn-fig3a --preset quick --gpus 1 > job.sbatch
    """
    from phasemap.sweeps.slurm.job import Resources, agents_job, run_job

    resources = Resources(jobs=jobs, gpus=gpus, cpus=cpus, memory=memory, time=time, partition=partition)
    if wandb:
        if name or preset or out or settings:
            raise InputError("--wandb: a sweep has its experiment; give nothing else of one")
        print(agents_job(wandb, resources), end="")
        return
    if not name:
        raise InputError("expected an experiment, or --wandb ENTITY/PROJECT/SWEEP")
    from phasemap.sweeps.experiments.experiment import load
    from phasemap.sweeps.experiments.usual_preset import usual_preset
    from phasemap.sweeps.phase_map.points import check_map

    experiment = load(name, preset or usual_preset(name), settings or [])
    check_map(experiment, experiment.tiles())
    shared = out or f"runs/{experiment.name}-{experiment.preset}"
    print(run_job(name, shared, resources, preset=experiment.preset, settings=settings or []), end="")
