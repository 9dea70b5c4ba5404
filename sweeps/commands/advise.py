"""``phasemap advise``: is a network trainable by theory, and what would make it so."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.sweeps.commands.options import Trust
from phasemap.theory.shown import shown
from phasemap.theory.trust import reading

# typer reads these at run time, and Python 3.10 has no `float | None` that it understands in every version.
Number = Optional[float]  # noqa: UP045


def command(
    depth: Annotated[int, typer.Option(help="layers, or residual blocks")],
    arch: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="family of networks, a wrong one lists all; default: fully connected ones with BN"),
    ] = None,
    activation: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="relu, tanh, gelu, …, or path/to/file.py:name; default: relu with BN, tanh in residual networks"
        ),
    ] = None,
    batch_size: Annotated[Optional[int], typer.Option(help="BN: samples per BN statistic; default: 64")] = None,  # noqa: UP045
    gamma: Annotated[Number, typer.Option(help="BN: scale of BN; default: 1")] = None,
    beta: Annotated[Number, typer.Option(help="BN: shift of BN; default: 0")] = None,
    eps: Annotated[Number, typer.Option(help="of BN, or of layer normalisation; default: 0.001")] = None,
    kappa: Annotated[
        Number, typer.Option(help="BN: trainable up to κ ξ where gradients explode; default: 16, the paper's")
    ] = None,
    kappa_vanishing: Annotated[
        Number, typer.Option(help="BN: the same where they vanish; default: what was measured for like networks")
    ] = None,
    map: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="output folder, or wandb:ENTITY/PROJECT/SWEEP: κ, or the levels, as that map has them"),
    ] = None,
    sigma_w: Annotated[Number, typer.Option(help="of the weights; default: 1")] = None,
    sigma_b: Annotated[Number, typer.Option(help="residual; default: 1; plain networks: 0")] = None,
    sigma_v: Annotated[Number, typer.Option(help="residual; default: 1")] = None,
    sigma_a: Annotated[Number, typer.Option(help="residual; default: 1")] = None,
    beta_w: Annotated[Number, typer.Option(help="residual: variance of w is sigma²·l^(−beta); default: 0")] = None,
    beta_b: Annotated[Number, typer.Option(help="residual; default: 0")] = None,
    beta_v: Annotated[Number, typer.Option(help="residual; default: 0")] = None,
    beta_a: Annotated[Number, typer.Option(help="residual; default: 0")] = None,
    depth_scaling_w: Annotated[
        Number, typer.Option(help="residual: variance of w is divided by depth^depth_scaling; default: 0")
    ] = None,
    depth_scaling_b: Annotated[Number, typer.Option(help="residual; default: 0")] = None,
    depth_scaling_v: Annotated[Number, typer.Option(help="residual; default: 0")] = None,
    depth_scaling_a: Annotated[Number, typer.Option(help="residual; default: 0")] = None,
    p0: Annotated[Number, typer.Option(help="residual: mean square of the input; default: 1, or the map's")] = None,
    gamma0: Annotated[
        Number, typer.Option(help="residual: mean product of two inputs; default: 0.5, or the map's")
    ] = None,
    widths: Annotated[Optional[str], typer.Option(help="residual: 2048, 2048/2@16,25,36, …")] = None,  # noqa: UP045
    quantity: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="residual: what has a level: p, s, e, chi, chi_w, chi_v, chi_w_spread, chi_sum or gradient_spread; "
            "default: p"
        ),
    ] = None,
    level: Annotated[Number, typer.Option(help="residual: the quantity (all but e: its logarithm) at most")] = None,
    least: Annotated[Number, typer.Option(help="residual: the quantity at least")] = None,
    lr: Annotated[
        Number, typer.Option(help="residual, relu: learning rate of the measured level; default: 1e-4")
    ] = None,
    keep: Annotated[Number, typer.Option(help="plain networks: keep probability of dropout; default: 1")] = None,
    norm: Annotated[Optional[str], typer.Option(help="plain networks: none or layer; default: none")] = None,  # noqa: UP045
    slope: Annotated[Number, typer.Option(help="of leaky-relu; default: 0.01")] = None,
    alpha: Annotated[Number, typer.Option(help="of alpha-relu and elu; default: 1")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one strict JSON object")] = False,
    trust: Trust = False,
) -> None:
    """Says whether a network is trainable by theory, and what would make it so.

    Example: phasemap advise --activation tanh --depth 120 --batch-size 64
    """
    given = {name: value for name, value in locals().items() if value is not None}
    for name in ("arch", "depth", "map", "as_json", "trust"):
        given.pop(name, None)
    from phasemap.sweeps.advice.answer import advise as answer
    from phasemap.train.families.catalogue import DEFAULT

    own = [activation] if activation else []
    with reading(trust=trust, own=own):
        record = answer(arch or DEFAULT, depth, given, map)
    if as_json:
        from phasemap.theory.shown import print_json

        print_json(record)
        return
    from phasemap.sweeps.advice.answer import text

    print(shown(text(record), lines=True))
