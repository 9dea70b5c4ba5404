"""The front door: the console command ``phasemap``. It only parses and dispatches; heavy imports wait in commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.advise import advise
from phasemap.sweeps.commands.theory import app as theory_app
from phasemap.theory.errors import InputError

# Typer carries its own copy of click in newer versions; this is its UsageError in all of them.
UsageError = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="phasemap",
    help="Trainability phase maps: train a grid of deep networks, draw the theory's prediction over the heat map.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(theory_app, name="theory")
app.command()(advise)

# typer reads these at run time, and Python 3.10 has no `Path | None` that it understands in every version.
Name = Annotated[str, typer.Argument(help="an experiment of `phasemap list`, or a YAML file of your own")]
Preset = Annotated[str, typer.Option(help="smoke, quick or paper (the YAML as it is)")]
Settings = Annotated[Optional[list[str]], typer.Option("--set", help="key=value: overrides a parameter; repeatable")]  # noqa: UP045
Out = Annotated[Optional[Path], typer.Option(help="output folder")]  # noqa: UP045
OutFile = Annotated[Optional[Path], typer.Option(help="output file")]  # noqa: UP045
Sources = Annotated[list[str], typer.Argument(help="output folders, or wandb:ENTITY/PROJECT/SWEEP; several are merged")]
Devices = Annotated[Optional[str], typer.Option(help="numbers of GPUs (0,1), or cpu; default: every GPU, else cpu")]  # noqa: UP045
Wandb = Annotated[str, typer.Option("--wandb", help="auto (only within an agent), online, offline or disabled")]


@theory_app.command("figure")
def figure(
    name: Annotated[str, typer.Argument(help="a figure's name, such as bn-fig1; a wrong one lists all")],
    out: Annotated[Path, typer.Option(help="output folder")] = Path("figures"),
    networks: Annotated[Optional[int], typer.Option(help="sampled networks; the papers: 200")] = None,  # noqa: UP045
    width: Annotated[Optional[int], typer.Option(help="their width; the first paper: 1000")] = None,  # noqa: UP045
    seed: Annotated[Optional[int], typer.Option(help="of the sampled networks")] = None,  # noqa: UP045
    style: Annotated[str, typer.Option(help="report (screen) or paper (print)")] = "report",
) -> None:
    """Draws a figure that needs no training, as PNG and PDF; their paths are the last lines.

    Example: phasemap theory figure bn-fig1 --networks 200 --width 1000
    """
    from phasemap.sweeps.commands.theory_figure import draw_figure

    for path in draw_figure(name, out=out, networks=networks, width=width, seed=seed, style=style):
        print(path)


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="one strict JSON list, an object per figure")] = False,
) -> None:
    """Every figure of both papers: axes, presets, cost, and those that need no training.

    Example: phasemap list
    """
    from phasemap.sweeps.commands.list_experiments import listing, records

    if as_json:
        import json

        print(json.dumps(records(), allow_nan=False, ensure_ascii=False))
    else:
        print(listing())


@app.command()
def run(
    name: Name,
    preset: Preset = "paper",
    out: Out = None,
    workers: Annotated[Optional[int], typer.Option(help="worker processes; default: one per core or GPU")] = None,  # noqa: UP045
    devices: Devices = None,
    settings: Settings = None,
    check: Annotated[bool, typer.Option("--check", help="only say cells, tiles and cost, and every mistake")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress")] = False,
) -> int:
    """Trains an experiment on this machine and draws its report; goes on where an earlier run was stopped.

    Example: phasemap run bn-fig3a --preset quick --set dataset=mnist
    """
    from phasemap.sweeps.commands.run import run as run_experiment

    return run_experiment(
        name,
        preset=preset,
        out=out,
        workers=workers,
        device_list=devices,
        settings=settings or (),
        check=check,
        quiet=quiet,
    )


@app.command()
def status(
    source: Annotated[str, typer.Argument(help="an output folder, or wandb:ENTITY/PROJECT/SWEEP")],
    requeue: Annotated[
        bool, typer.Option("--requeue", help="free the failed tiles (of W&B: delete their runs)")
    ] = False,
) -> None:
    """Cells finished, diverged, dead, missing, failed and running, tile by tile.

    Example: phasemap status runs/bn-fig3a-quick
    """
    from phasemap.sweeps.sources.status import of

    print(of(source, requeue=requeue).text())


@app.command()
def report(
    sources: Sources,
    out: OutFile = None,
    style: Annotated[str, typer.Option(help="report (screen) or paper (print)")] = "report",
    index: Annotated[bool, typer.Option("--index", help="one page over every report below these folders")] = False,
) -> None:
    """Draws the report again; its path is the last line.

    Example: phasemap report runs/bn-fig3a-quick --out report.html
    """
    from phasemap.sweeps.commands import report as reporting

    print(reporting.index(sources, out=out) if index else reporting.draw(sources, out=out, style=style))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="an output folder, or wandb:ENTITY/PROJECT/SWEEP")],
    b: Annotated[list[str], typer.Argument(help="another one (or several), or theory:ACTIVATION")],
    metric: Annotated[str, typer.Option(help="what to compare")] = "test_accuracy",
    out: Annotated[Optional[Path], typer.Option(help="the picture's path, without suffix")] = None,  # noqa: UP045
) -> None:
    """Compares two maps or more, or a map with the theory of another activation: difference and shift of the frontier.

    Example: phasemap compare runs/bn-fig3a-quick runs/bn-fig3c-quick --out difference
    """
    from phasemap.sweeps.commands.compare import run as compare_maps

    print(compare_maps(a, *b, metric=metric, out=out))


@app.command()
def probe(
    model: Annotated[str, typer.Argument(help="FILE.py:FACTORY, a function without arguments that returns a module")],
    shape: Annotated[Optional[str], typer.Option("--input", help="shape of one sample: 3,32,32 or 784")] = None,  # noqa: UP045
    batch_size: Annotated[int, typer.Option(help="samples in the batch, at least 2")] = 128,
    samples: Annotated[Optional[Path], typer.Option(help=".npz with x_train or x; default: random N(0, 1)")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="of the weights, the inputs and the cotangent")] = 0,
    mode: Annotated[str, typer.Option(help="train (batch statistics, dropout), eval, or as-is")] = "train",
    device: Annotated[Optional[str], typer.Option(help="cpu or cuda:0; default: cpu")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="one strict JSON object with every layer")] = False,
    plot: Annotated[Optional[Path], typer.Option(help="a picture: .png, .pdf or .svg")] = None,  # noqa: UP045
) -> None:
    """Measures how signals and gradients propagate through your own network; where it can, with the theory beside.

    Example: phasemap probe net.py:make --input 3,32,32 --batch-size 128 --plot probe.png
    """
    from phasemap.sweeps.commands.probe import run as probe_model

    probe_model(
        model,
        shape=shape,
        batch_size=batch_size,
        seed=seed,
        samples=samples,
        mode=mode,
        device=device,
        as_json=as_json,
        plot=plot,
    )


@app.command()
def export(
    sources: Sources, format: Annotated[str, typer.Option(help="csv or netcdf")] = "csv", out: OutFile = None
) -> None:
    """Writes one row per cell (CSV, to standard output by default) or the phase map (netCDF).

    Example: phasemap export runs/bn-fig3a-quick --format csv > cells.csv
    """
    from phasemap.sweeps.commands.report import export as write

    write(sources, format=format, out=out)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    context: typer.Context,
    out: Out = None,
    device: Annotated[Optional[str], typer.Option(help="cpu, or cuda:0; default: a GPU if there is one")] = None,  # noqa: UP045
    wandb: Wandb = "auto",
) -> int:
    """Trains one tile from --key value pairs or a JSON object: the program that W&B agents call.

    Example: phasemap train --depth "[4, 8]" --width 64 --lr 0.01 --steps 200 --out runs/mine
    """
    from phasemap.sweeps.commands.train import train as train_tile

    return train_tile(context.args, out=out, device=device, wandb_mode=wandb)


@app.command()
def sweep(
    name: Name,
    preset: Preset = "paper",
    settings: Settings = None,
    project: Annotated[Optional[str], typer.Option(help="W&B project; default: the YAML's")] = None,  # noqa: UP045
    entity: Annotated[Optional[str], typer.Option(help="W&B entity; default: yours")] = None,  # noqa: UP045
) -> None:
    """Registers the W&B sweep of an experiment; the last line is ENTITY/PROJECT/SWEEP.

    Example: phasemap sweep bn-fig3a --preset quick
    """
    from phasemap.sweeps.wandb_bridge.register import register

    print(register(name, preset=preset, settings=settings or (), project=project, entity=entity))


@app.command()
def agents(
    sweep: Annotated[str, typer.Argument(help="ENTITY/PROJECT/SWEEP")],
    devices: Devices = None,
    restarts: Annotated[int, typer.Option(help="how often a sick agent is started again")] = 3,
    count: Annotated[Optional[int], typer.Option(help="tiles per agent; default: as long as there are any")] = None,  # noqa: UP045
) -> int:
    """Starts and watches one W&B agent per GPU; they and their runs end with this command.

    Example: phasemap agents me/phasemap/abc123 --devices 0,1,2,3
    """
    from phasemap.sweeps.execution.wandb_agents import watch

    return watch(sweep, devices=devices, restarts=restarts, count=count)


@app.command()
def bench(
    rows: Annotated[Optional[str], typer.Option(help="some of narrow,wide,seconds,resnet,...; default: all")] = None,  # noqa: UP045
    device: Annotated[Optional[str], typer.Option(help="cpu or the number of a GPU; default: a GPU if any")] = None,  # noqa: UP045
    repeats: Annotated[Optional[int], typer.Option(help="interleaved repetitions; default: 5")] = None,  # noqa: UP045
    out: OutFile = None,
    quick: Annotated[bool, typer.Option("--quick", help="a few small cells, within a minute")] = False,
    table: Annotated[Optional[Path], typer.Option(help="only show the table of this file of results")] = None,  # noqa: UP045
    into: Annotated[Optional[Path], typer.Option(help="with --table: the page whose marked block it becomes")] = None,  # noqa: UP045
) -> None:
    """Times the engine against other ways to train the same cells; leave the machine idle meanwhile (about 20 minutes).

    Example: phasemap bench --quick --out bench.json
    """
    from phasemap.train.bench import command

    if table or into:
        print(command.show(table, into))
    else:
        print(command.run(rows=rows, device=device, repeats=repeats, out=out, quick=quick))


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line. Bad input prints one line per mistake on standard error and exits with 2."""
    try:
        code = app(args=arguments, prog_name="phasemap", standalone_mode=False)
    except InputError as error:
        for message in error.messages:
            print(f"phasemap: error: {message}", file=sys.stderr)
        sys.exit(2)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
        else:
            command = error.ctx.command_path if error.ctx else "phasemap"
            print(f"{command}: error: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that is not ours
        if error.errno is None:
            raise
        print(f"phasemap: error: {error.filename or 'writing'}: {os.strerror(error.errno)}", file=sys.stderr)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
