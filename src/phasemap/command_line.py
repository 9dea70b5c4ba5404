"""The front door: the console command ``phasemap``. It only parses and dispatches; heavy imports wait in commands."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, cast

import typer

from phasemap.theory.errors import InputError
from phasemap.theory.letters import use_plain_letters
from phasemap.theory.shown import shown
from phasemap.train.compat import machine_warnings

# Typer carries its own copy of click in newer versions; this is its UsageError in all of them.
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])

COMMANDS = {
    "advise": "advise",
    "list": "list_experiments",
    "init": "init",
    "parameters": "parameters",
    "glossary": "glossary",
    "run": "run",
    "status": "status",
    "report": "report",
    "compare": "compare",
    "probe": "probe",
    "export": "export",
    "train": "train",
    "sweep": "sweep",
    "agents": "agents",
    "slurm": "slurm",
    "bench": "bench",
}
"""By name: the module in ``sweeps/commands`` whose ``command`` it is, in the order of ``phasemap --help``."""
NO_ROOM = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory", "can't start new thread")
"""What Python and the dynamic linker say where a process may have no more memory or threads (``ulimit -v``, ``-u``)."""
THEORY_COMMANDS = ("theory_batchnorm", "theory_resnet", "theory_mlp", "theory_figure")
"""Those of `phasemap theory`, which are called as their modules are."""


def _show_version(asked: bool) -> None:
    if asked:
        import phasemap

        print(f"phasemap {phasemap.__version__}")
        raise typer.Exit


def assembled() -> typer.Typer:
    """The application with every command."""
    app = typer.Typer(
        name="phasemap",
        help="Trainability phase maps: train a grid of deep networks, draw the theory's prediction over the heat map.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    theory = typer.Typer(
        help="What the theory predicts, without training.", no_args_is_help=True, rich_markup_mode=None
    )
    app.add_typer(theory, name="theory")
    of_theory = {module.removeprefix("theory_"): module for module in THEORY_COMMANDS}
    for group, commands in ((app, COMMANDS), (theory, of_theory)):
        for name, module_name in commands.items():
            module = importlib.import_module(f"phasemap.sweeps.commands.{module_name}")
            group.command(name, context_settings=getattr(module, "CONTEXT_SETTINGS", None))(module.command)
    return app


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Trainability phase maps: train a grid of deep networks, draw the theory's prediction over the heat map."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line. Bad input prints one line per mistake on standard error and exits with 2."""
    _open_what_is_closed()
    signal.signal(signal.SIGXCPU, _end)
    use_plain_letters()
    machine_warnings.ignore()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's own is of no use here; worker processes inherit it
    try:
        code = assembled()(args=arguments, prog_name="phasemap", standalone_mode=False)
        sys.stdout.flush()  # here, and not when all is over: what cannot be written is told
    except InputError as error:
        for message in error.messages:
            print(f"phasemap: error: {message}", file=sys.stderr)
        sys.exit(2)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
        else:
            command = error.ctx.command_path if error.ctx else "phasemap"
            print(f"{command}: error: {shown(error.format_message(), lines=True)}", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        _drop_output()
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that is not ours
        if error.errno is None:
            raise
        _drop_output()
        where = shown(str(error.filename or "writing"))
        print(f"phasemap: error: {where}: {os.strerror(error.errno)}", file=sys.stderr)
        sys.exit(1)
    except (MemoryError, ImportError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in NO_ROOM):
            raise
        print(f"phasemap: error: out of memory{f': {error}' if str(error) else ''}", file=sys.stderr)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _end(_number: int, _frame: object) -> None:
    print("phasemap: error: the limit of computing time (ulimit -t) is reached", file=sys.stderr)
    sys.exit(1)


def _open_what_is_closed() -> None:
    """Standard streams that the caller closed (``>&-``) lead nowhere: else the first files opened would take their
    places, and what is printed would go into these."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(number, True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """What cannot be written goes nowhere: Python would try once more at its end, and say so."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
