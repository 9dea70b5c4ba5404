"""``phasemap theory batchnorm``: the mean field theory of batch normalisation as a table or as JSON."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

import typer

from phasemap.theory.errors import InputError
from phasemap.theory.ranges import LONGEST, RANGES, brief
from phasemap.theory.shown import print_json

MOST_SIZES = 100


def command(
    activation: Annotated[
        str,
        typer.Option(
            help="relu, leaky-relu, alpha-relu, tanh, erf, sin, identity, abs, gelu, gelu-tanh, silu, mish, elu, selu, "
            "softplus, sigmoid, or path/to/file.py:name"
        ),
    ] = "relu",
    batch_size: Annotated[str, typer.Option(help="samples per BN statistic; several as 8,16,32; inf for ∞")] = "64",
    shift: Annotated[float, typer.Option(help="β of BN: φ(γ·z + β)")] = 0.0,
    scale: Annotated[float, typer.Option(help="γ of BN: φ(γ·z + β)")] = 1.0,
    slope: Annotated[float, typer.Option(help="of leaky-relu below zero")] = 0.01,
    alpha: Annotated[float, typer.Option(help="exponent of alpha-relu, or α of elu")] = 1.0,
    eps: Annotated[float, typer.Option(help="ε of BN")] = 0.0,
    sigma_w: Annotated[float, typer.Option(help="weights ~ N(0, σ_w²/fan_in); matters only for ε > 0")] = 1.0,
    sigma_b: Annotated[float, typer.Option(help="biases ~ N(0, σ_b²)")] = 0.0,
    method: Annotated[str, typer.Option(help="auto, laplace, gegenbauer or spherical")] = "auto",
    json_output: Annotated[
        bool, typer.Option("--json", help="strict JSON: an object, or a list for several sizes")
    ] = False,
) -> None:
    """Predicts how signals and gradients propagate through deep batch-normalised networks.

    Example: phasemap theory batchnorm --activation tanh --scale 1.5 --batch-size 8,64,512 --json
    """
    sizes = _batch_sizes(batch_size)
    from phasemap.theory.activations import activation as make_activation
    from phasemap.theory.batchnorm.infinite_batch import limit_record
    from phasemap.theory.batchnorm.record import batchnorm_record
    from phasemap.theory.batchnorm.skip_connections import with_residual

    phi = make_activation(activation, scale=scale, shift=shift, slope=slope, alpha=alpha)

    scales = {"eps": eps, "sigma_w": sigma_w, "sigma_b": sigma_b}
    records = []
    for size in sizes:
        if size is None:
            found, at_zero = limit_record(phi, **scales), limit_record(phi)
        else:
            found = batchnorm_record(phi, size, method=method, look_beyond=True, **scales)
            at_zero = batchnorm_record(phi, size, method=method, look_beyond=False) if eps else found
        records.append(with_residual(found, at_zero))
    if json_output:
        print_json(records[0] if len(records) == 1 else records)
    else:
        print(_table(records))


def _batch_sizes(text: str) -> list[int | None]:
    """The integers of a comma-separated list; None for ``inf``."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part == "inf" or re.fullmatch(r"[+-]?\d+", part) for part in parts):
        raise InputError(f"--batch-size {brief(text)}: expected integers such as 64 or 8,16,32, or inf")
    if len(parts) > MOST_SIZES:
        raise InputError(f"--batch-size: {len(parts)} of them; expected at most {MOST_SIZES} at a time")
    if longest := next((part for part in parts if len(part) > LONGEST), None):
        raise InputError(f"--batch-size {brief(longest)}: expected an integer of {RANGES['batch_size'].in_words}")
    return [None if part == "inf" else int(part) for part in parts]


_ROWS = {
    "q*": ("q_star",),
    "c*": ("c_star",),
    "mu*": ("mu_star",),
    "forward G": ("forward", "G"),
    "forward L": ("forward", "L"),
    "forward M": ("forward", "M"),
    "backward G": ("backward", "G"),
    "backward L": ("backward", "L"),
    "backward M": ("backward", "M"),
    "cross-batch covariance": ("cross_batch", "c_star"),
    "cross-batch rate": ("cross_batch", "rate"),
    "BSB1 attracts": ("stable",),
    "networks are at": ("fixed_point",),
    "gradient rate there": ("rate",),
    "depth scale xi": ("depth_scale",),
    "16 xi": ("depth_scale",),
    "regime": ("regime",),
    "critical eps": ("critical_eps",),
    "method": ("method",),
    "digits": ("digits",),
    "with skip connections: exponent": ("residual", "exponent"),
    "with skip connections: transient": ("residual", "transient_exponent"),
}


def _cell(record: dict[str, Any], row: str) -> str:
    value: Any = record
    for key in _ROWS[row]:
        value = value[key]
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = 16 * value if row == "16 xi" else value
        return f"{value:.6g}" if math.isfinite(value) else "-"
    return str(value)


def _table(records: list[dict[str, Any]]) -> str:
    """Quantities down, batch sizes across; below, why a quantity is missing."""
    head = ["batch size", *(str(record["batch_size"]) for record in records)]
    body = [[row, *(_cell(record, row) for record in records)] for row in _ROWS]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    title = f"{records[0]['activation']}, eps {records[0]['eps']:g}, sigma_w {records[0]['sigma_w']:g}"
    lines = [title, ""]
    for line in [head, *body]:
        lines.append(
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        )
    notes = {f"- {key}: {why}" for record in records for key, why in record["reasons"].items()}
    return "\n".join([*lines, *(["", *sorted(notes)] if notes else [])])
