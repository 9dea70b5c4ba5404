"""``phasemap theory batchnorm``: the mean field theory of batch normalisation as a table or as JSON."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from phasemap.theory.errors import InputError
from phasemap.theory.ranges import LONGEST, RANGES, brief, check
from phasemap.theory.shown import print_json

if TYPE_CHECKING:
    from phasemap.theory.activations import Activation

MOST_SIZES = 100
BSB1 = "BSB1: all samples equally correlated"
OTHER_EPS = "At ε = 0, as in the paper. Networks of phasemap run and phasemap advise have --eps 0.001."


def command(
    activation: Annotated[
        str,
        typer.Option(
            help="relu, leaky-relu, alpha-relu, tanh, erf, sin, identity, abs, gelu, gelu-tanh, silu, mish, elu, selu, "
            "softplus, sigmoid, or path/to/file.py:name"
        ),
    ] = "relu",
    batch_size: Annotated[str, typer.Option(help="samples per BN statistic; several as 8,16,32; inf for ∞")] = "64",
    beta: Annotated[float, typer.Option("--beta", "--shift", help="β of BN: φ(γ·z + β)")] = 0.0,
    gamma: Annotated[float, typer.Option("--gamma", "--scale", help="γ of BN: φ(γ·z + β)")] = 1.0,
    slope: Annotated[float, typer.Option(help="of leaky-relu below zero")] = 0.01,
    alpha: Annotated[float, typer.Option(help="exponent of alpha-relu, or α of elu")] = 1.0,
    eps: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="ε of BN; default: 0, as in the paper; `phasemap run` and `advise` have 0.001"),
    ] = None,
    sigma_w: Annotated[float, typer.Option(help="weights ~ N(0, σ_w²/fan_in); matters only for ε > 0")] = 1.0,
    sigma_b: Annotated[float, typer.Option(help="biases ~ N(0, σ_b²)")] = 0.0,
    method: Annotated[str, typer.Option(help="auto, laplace, gegenbauer or spherical")] = "auto",
    json_output: Annotated[
        bool, typer.Option("--json", help="strict JSON: an object, or a list for several sizes")
    ] = False,
) -> None:
    """Predicts how signals and gradients propagate through deep batch-normalised networks.

    Example: phasemap theory batchnorm --activation tanh --gamma 1.5 --batch-size 8,64,512 --json
    """
    sizes = _batch_sizes(batch_size)
    from phasemap.theory.activations import activation as make_activation
    from phasemap.theory.batchnorm.infinite_batch import limit_record
    from phasemap.theory.batchnorm.record import batchnorm_record
    from phasemap.theory.batchnorm.skip_connections import with_residual

    check(gamma=gamma, beta=beta)
    phi = make_activation(activation, scale=gamma, shift=beta, slope=slope, alpha=alpha)

    scales = {"eps": 0.0 if eps is None else eps, "sigma_w": sigma_w, "sigma_b": sigma_b}
    records = []
    for size in sizes:
        if size is None:
            found, at_zero = limit_record(phi, **scales), limit_record(phi)
        else:
            found = batchnorm_record(phi, size, method=method, look_beyond=True, **scales)
            at_zero = batchnorm_record(phi, size, method=method, look_beyond=False) if scales["eps"] else found
        records.append(with_residual(found, at_zero))
    if json_output:
        print_json(records[0] if len(records) == 1 else records)
    else:
        print(_table(records))
        if eps is None:
            print(f"\n{OTHER_EPS}")
        for line in _unstable(phi, records, scales):
            print(line)


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


def _unstable(phi: Activation, records: list[dict[str, Any]], scales: dict[str, float]) -> list[str]:
    """What it means that BSB1 is unstable, and for which batch sizes it is not."""
    from phasemap.theory.tables.stable_sizes import where_stable

    lines = []
    for record in records:
        if record["stable"] is not False:
            continue
        growth = max(abs(value) for value in record["forward"].values() if value is not None)
        what = f"the state this theory expands around ({BSB1}) is unstable"
        if record["fixed_point"] is None:
            lines.append(f"No prediction at B = {record['batch_size']}: {what} here (growth {growth:.4g} a layer).")
        else:
            lines.append(
                f"At B = {record['batch_size']} {what} (growth {growth:.4g} a layer). Networks go on to a state with"
                " unequal samples (BSB2); the gradient rate is the one there."
            )
    if lines:
        with suppress(InputError):
            lines.append(f"{where_stable(phi, **scales)}.")
        lines.append("Words: phasemap glossary BSB1")
    return ["", *lines] if lines else []


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
    "equal correlations stable": ("stable",),
    "networks settle at": ("fixed_point",),
    "gradient rate there": ("rate",),
    "depth scale ξ": ("depth_scale",),
    "16 ξ": ("depth_scale",),
    "regime": ("regime",),
    "critical eps": ("critical_eps",),
    "method": ("method",),
    "digits": ("digits",),
    "with skip connections: exponent": ("residual", "exponent"),
    "with skip connections: transient": ("residual", "transient_exponent"),
}


def _cell(record: dict[str, Any], row: str) -> str:
    value: Any = record
    if row == "networks settle at" and record["fixed_point"] is not None:
        return {"BSB1": "equal", "BSB2": "unequal"}[record["fixed_point"]]
    for key in _ROWS[row]:
        value = value[key]
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value = 16 * value if row == "16 ξ" else value
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
    told: dict[str, list[str]] = {}
    for key, why in (entry for record in records for entry in record["reasons"].items()):
        if BSB1 not in why:  # `_unstable` tells that
            told.setdefault(why, []).append(key)
    notes = [f"- {', '.join(sorted(set(keys)))}: {why}" for why, keys in told.items()]
    return "\n".join([*lines, *(["", *sorted(notes)] if notes else [])])
