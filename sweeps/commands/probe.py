"""``phasemap probe``: measures a network of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def command(
    model: Annotated[str, typer.Argument(help="FILE.py:FACTORY, a function without arguments that returns a module")],
    shape: Annotated[Optional[str], typer.Option("--input", help="shape of one sample: 3,32,32 or 784")] = None,  # noqa: UP045
    batch_size: Annotated[Optional[int], typer.Option(help="samples, at least 2; default: 128")] = None,  # noqa: UP045
    samples: Annotated[Optional[Path], typer.Option(help=".npz with x_train or x; default: random N(0, 1)")] = None,  # noqa: UP045
    inputs: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="FILE.py:NAME: a tensor, a tuple of arguments, a dict of keyword arguments, or what makes one"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the weights, the inputs and the cotangent")] = 0,
    mode: Annotated[str, typer.Option(help="train (batch statistics, dropout), eval, or as-is")] = "train",
    device: Annotated[Optional[str], typer.Option(help="cpu or cuda:0; default: cpu")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="one strict JSON object with every layer")] = False,
    all_layers: Annotated[bool, typer.Option("--all-layers", help="the table has layers without weights, too")] = False,
    plot: Annotated[Optional[Path], typer.Option(help="a picture: .png, .pdf or .svg")] = None,  # noqa: UP045
) -> None:
    """Measures how signals and gradients propagate through your own network; where it can, with the theory beside.

    Example: phasemap probe net.py:make --input 3,32,32 --batch-size 128 --plot probe.png
    """
    from phasemap.train.machine.processes import check_limits

    check_limits()
    from phasemap.sweeps.probing.run import probe_file

    probe_file(
        model,
        shape=shape,
        batch_size=batch_size,
        seed=seed,
        samples=samples,
        inputs=inputs,
        mode=mode,
        device=device,
        as_json=as_json,
        every_layer=all_layers,
        plot=plot,
    )
