"""``phasemap theory resnet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phasemap.theory.errors import InputError

if TYPE_CHECKING:
    from phasemap.theory.activations import Activation
    from phasemap.theory.residual.trace import ResidualTrace

DEEPEST_BY_QUADRATURE = 1000
"""Layers of an activation without closed forms: 5 to 20 ms each."""


def command(
    activation: Annotated[str, typer.Option(help="relu, tanh, gelu, …, or path/to/file.py:name.")] = "tanh",
    depth: Annotated[int, typer.Option(help="Number of residual blocks.")] = 100,
    sigma_w: Annotated[float, typer.Option(help="w has variance σ²·l^(−β)/N.")] = 1.0,
    sigma_b: Annotated[float, typer.Option(help="b, the bias of h, has variance σ²·l^(−β).")] = 1.0,
    sigma_v: Annotated[float, typer.Option(help="v has variance σ²·l^(−β)/M.")] = 1.0,
    sigma_a: Annotated[float, typer.Option(help="a, the bias of x, has variance σ²·l^(−β).")] = 1.0,
    beta_w: Annotated[float, typer.Option(help="β of w.")] = 0.0,
    beta_b: Annotated[float, typer.Option(help="β of b.")] = 0.0,
    beta_v: Annotated[float, typer.Option(help="β of v.")] = 0.0,
    beta_a: Annotated[float, typer.Option(help="β of a.")] = 0.0,
    depth_scaling_w: Annotated[float, typer.Option(help="w's variance is divided by depth to this power.")] = 0.0,
    depth_scaling_b: Annotated[float, typer.Option(help="The same of b.")] = 0.0,
    depth_scaling_v: Annotated[float, typer.Option(help="The same of v; 1 gives blocks of variance 1/depth.")] = 0.0,
    depth_scaling_a: Annotated[float, typer.Option(help="The same of a.")] = 0.0,
    p0: Annotated[float, typer.Option(help="Mean square of the input's coordinates.")] = 1.0,
    gamma0: Annotated[float, typer.Option(help="Mean product of two inputs' coordinates.")] = 0.5,
    widths: Annotated[
        str | None, typer.Option(help="2048, 2048/2@16,25,36, 2048/exp(A)@n^2, a list; after ';' the hidden widths.")
    ] = None,
    inputs: Annotated[
        int | None, typer.Option(help="Numbers in a sample: adds the learning rate from which on SGD diverges.")
    ] = None,
    slope: Annotated[float, typer.Option(help="Of leaky-relu below zero.")] = 0.01,
    alpha: Annotated[float, typer.Option(help="Exponent of alpha-relu, or α of elu.")] = 1.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object with every layer, in full precision.")
    ] = False,
) -> None:
    """Mean field quantities of residual networks, layer by layer (variance and width variation).

    x = v·φ(h) + a + x_prev, h = w·x_prev + b; a projection block wherever the width changes. Gradients χ are normalised
    to χ = 1 at the last layer.

    Example: phasemap theory resnet --activation relu --depth 200 --beta-w 0.5 --beta-b 0.5
    """
    from phasemap.theory.integrals.gaussian_transforms import is_closed

    mistake = None
    try:
        from phasemap.theory.activations import activation as named

        phi = named(activation, slope=slope, alpha=alpha)
    except InputError as error:
        mistake = error
    from phasemap.theory.residual.recurrence import SCALINGS, check_parameters, residual_recurrence

    parameters = {
        "sigma_w": sigma_w,
        "sigma_b": sigma_b,
        "sigma_v": sigma_v,
        "sigma_a": sigma_a,
        "beta_w": beta_w,
        "beta_b": beta_b,
        "beta_v": beta_v,
        "beta_a": beta_a,
        "depth_scaling_w": depth_scaling_w,
        "depth_scaling_b": depth_scaling_b,
        "depth_scaling_v": depth_scaling_v,
        "depth_scaling_a": depth_scaling_a,
        "p0": p0,
        "gamma0": gamma0,
    }
    mistakes = [*(mistake.messages if mistake else ()), *check_parameters(parameters, depth, widths)]
    if mistakes:
        raise InputError(*mistakes)
    if depth > DEEPEST_BY_QUADRATURE and not is_closed(phi):
        raise InputError(
            f"--depth {depth}: {phi.label} needs quadrature in every layer, which takes minutes; expected at most"
            f" {DEEPEST_BY_QUADRATURE}, or relu, tanh, erf or another with closed forms"
        )
    trace = residual_recurrence(phi, depth, widths=widths, **parameters)
    limit = None if inputs is None else _largest_learning_rate(trace, phi, inputs)
    from phasemap.theory.residual.record import notes, record, table

    parameters = {name: value for name, value in parameters.items() if value or name not in SCALINGS}

    if as_json:
        from phasemap.theory.shown import print_json

        head = {"activation": phi.label, "depth": depth, "parameters": parameters}
        tail = {} if limit is None else {"largest_learning_rate": limit}
        print_json(head | record(trace) | tail)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    header, rows = table(trace)
    shown = Table(*header, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in shown.columns:
        column.justify = "right"
    for row in rows:
        shown.add_row(*row)
    given = ", ".join(f"{name} {value:g}" for name, value in parameters.items())
    console = Console(width=max(100, 11 * len(header)), highlight=False)
    console.print(f"{phi.label} residual network, depth {depth}" + (f", widths {widths}" if widths else ""))
    console.print(given, style="dim")
    console.print("letters: phasemap glossary", style="dim")
    console.print(shown)
    for note in notes(trace):
        console.print(note)
    if limit and limit["lr"] is None:
        console.print(f"SGD diverges at several times a learning rate of {_short(limit['unit'])}")
    elif limit:
        lr, low, high = (_short(limit[name]) for name in ("lr", "low", "high"))
        console.print(f"SGD diverges from a learning rate of {lr} on ({low} to {high})")


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _largest_learning_rate(trace: ResidualTrace, phi: Activation, inputs: int) -> dict[str, float | None]:
    """The learning rate from which on networks diverge, with its interval; None where it is known up to a factor."""
    from phasemap.theory.learning_rate.residual import largest_learning_rate
    from phasemap.theory.ranges import check

    check(inputs=inputs)
    if trace.widths is None:
        raise InputError(f"--inputs {inputs}: the learning rate depends on the width; expected --widths beside it")
    found = largest_learning_rate(trace, phi, width=trace.widths.activation[0], inputs=inputs)
    numbers = {"unit": found.unit, "lr": found.diverges, "low": found.low, "high": found.high}
    return {name: value if value == value else None for name, value in numbers.items()}
