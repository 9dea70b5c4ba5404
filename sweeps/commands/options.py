"""Arguments and options that several commands have. Light to import, as every file here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def _experiments(typed: str) -> list[str]:
    """What a shell may complete an experiment's name to; a file is the shell's own to complete."""
    from phasemap.sweeps.experiments.experiment import available

    return [name for name in available() if name.startswith(typed)]


# typer reads these at run time, and Python 3.10 has no `Path | None` that it understands in every version.
Name = Annotated[
    str,
    typer.Argument(help="an experiment of `phasemap list`, or a YAML file of your own", autocompletion=_experiments),
]
Settings = Annotated[Optional[list[str]], typer.Option("--set", help="key=value: overrides a parameter; repeatable")]  # noqa: UP045
Out = Annotated[Optional[Path], typer.Option(help="output folder")]  # noqa: UP045
OutFile = Annotated[Optional[Path], typer.Option(help="output file")]  # noqa: UP045
Sources = Annotated[list[str], typer.Argument(help="output folders, or wandb:ENTITY/PROJECT/SWEEP; several are merged")]
Source = Annotated[str, typer.Argument(help="an output folder, or wandb:ENTITY/PROJECT/SWEEP")]
X = Annotated[Optional[str], typer.Option("--x", help="parameter of the horizontal axis; default: the experiment's")]  # noqa: UP045
Y = Annotated[Optional[str], typer.Option("--y", help="parameter of the vertical axis; default: the experiment's")]  # noqa: UP045
Fix = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--fix", help="name=value: only networks with this value; repeatable"),
]
Trust = Annotated[
    bool, typer.Option("--trust", help="run Python files that the results name: somebody's own activation or picture")
]
Devices = Annotated[Optional[str], typer.Option(help="numbers of GPUs (0,1), or cpu; default: every GPU, else cpu")]  # noqa: UP045
