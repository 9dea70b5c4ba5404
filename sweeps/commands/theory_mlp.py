"""``phasemap theory mlp``: plain networks, with dropout or layer normalisation, as a table or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from phasemap.theory.errors import InputError
from phasemap.theory.ranges import brief, check, number, wrong
from phasemap.theory.shown import print_json

if TYPE_CHECKING:
    from phasemap.theory.activations import Activation

MOST = 100
"""Values of σ_w at a time."""
DEEPEST_BY_QUADRATURE = 200
"""Layers of an activation without closed forms: 5 to 20 ms each."""


def command(
    activation: Annotated[str, typer.Option(help="relu, tanh, gelu, …, or path/to/file.py:name")] = "tanh",
    sigma_w: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="weights ~ N(0, σ_w²/fan_in); several as 1,1.5,2; default: 1"),
    ] = None,
    sigma_b: Annotated[float, typer.Option(help="biases ~ N(0, σ_b²)")] = 0.0,
    keep: Annotated[float, typer.Option(help="probability that dropout keeps a unit; 1: no dropout")] = 1.0,
    norm: Annotated[str, typer.Option(help="none, or layer: layer normalisation before the activation")] = "none",
    eps: Annotated[float, typer.Option(help="ε of layer normalisation")] = 0.0,
    slope: Annotated[float, typer.Option(help="of leaky-relu below zero")] = 0.01,
    alpha: Annotated[float, typer.Option(help="exponent of alpha-relu, or α of elu")] = 1.0,
    critical: Annotated[bool, typer.Option("--critical", help="the σ_w at which χ₁ = 1, for this σ_b")] = False,
    layers: Annotated[Optional[int], typer.Option(help="follow two inputs through this many layers")] = None,  # noqa: UP045
    q0: Annotated[float, typer.Option(help="mean square of an input's numbers")] = 1.0,
    c0: Annotated[float, typer.Option(help="correlation of two inputs, for --layers")] = 0.5,
    json_output: Annotated[
        bool, typer.Option("--json", help="strict JSON: an object, or a list for several σ_w")
    ] = False,
) -> None:
    """Predicts how signals and gradients propagate through plain deep networks, Linear → φ or Linear → LayerNorm → φ.

    Example: phasemap theory mlp --activation tanh --sigma-w 1.2,1.5,2 --sigma-b 0.2 --json
    """
    scales = [1.0] if sigma_w is None else _scales(sigma_w)
    check(sigma_b=sigma_b, keep=keep, eps=eps, q0=q0, c0=c0)
    _check_together(critical, keep, norm, eps, layers, sigma_w)
    from phasemap.theory.activations import activation as named

    phi = named(activation, slope=slope, alpha=alpha)
    if critical:
        _critical(phi, sigma_b, norm, eps, json_output)
        return
    from phasemap.theory.mlp.record import mlp_record

    if layers is not None:
        _check_layers(phi, layers, len(scales))
    fixed: dict[str, Any] = {"sigma_b": sigma_b, "keep": keep, "norm": norm, "eps": eps, "q0": q0}
    records = [mlp_record(phi, sigma_w=one, **fixed) for one in scales]
    if layers is not None:
        from phasemap.theory.mlp.transients import transient

        found = transient(phi, layers, sigma_w=scales[0], c0=c0, **fixed)
        records[0] |= {"q0": q0, "c0": c0, "layers": found.as_lists()}
    if json_output:
        print_json(records[0] if len(records) == 1 else records)
        return
    from phasemap.theory.mlp.text import as_text

    print(as_text(records))


def _scales(text: str) -> list[float]:
    """The numbers of a comma-separated list. Raises InputError."""
    parts = text.split(",")
    if len(parts) > MOST:
        raise InputError(f"--sigma-w: {len(parts)} of them; expected at most {MOST} at a time")
    found = [number("sigma_w", part, "--sigma-w") for part in parts]
    if mistakes := [line for value in found for line in wrong("sigma_w", value, "--sigma-w")]:
        raise InputError(*mistakes)
    return found


def _check_together(
    critical: bool, keep: float, norm: str, eps: float, layers: int | None, sigma_w: str | None
) -> None:
    """Raises InputError for options that contradict each other."""
    mistakes = []
    if eps and norm == "none":
        mistakes.append(f"--eps {eps:g}: it belongs to layer normalisation; expected --norm layer beside it")
    if critical and keep < 1:
        mistakes.append(f"--keep {keep:g}: with dropout there is no critical point; expected 1 beside --critical")
    if critical and sigma_w is not None:
        mistakes.append(f"--sigma-w {brief(sigma_w)}: --critical finds it; expected one of them")
    if critical and layers is not None:
        mistakes.append(f"--layers {brief(layers)}: expected --sigma-w, and no --critical, beside it")
    if mistakes:
        raise InputError(*mistakes)


def _check_layers(phi: Activation, layers: int, scales: int) -> None:
    from phasemap.theory.integrals.gaussian_transforms import is_closed

    if mistakes := wrong("depth", layers, "--layers"):
        raise InputError(*mistakes)
    if scales > 1:
        raise InputError(f"--layers {layers}: expected one --sigma-w beside it")
    if layers > DEEPEST_BY_QUADRATURE and not is_closed(phi):
        raise InputError(
            f"--layers {layers}: {phi.label} needs quadrature in every layer, which takes minutes; expected at most"
            f" {DEEPEST_BY_QUADRATURE}, or relu, tanh, erf or another with closed forms"
        )


def _critical(phi: Activation, sigma_b: float, norm: str, eps: float, json_output: bool) -> None:
    from phasemap.theory.mlp.critical_exponents import critical_exponents
    from phasemap.theory.mlp.critical_line import critical_point

    point = critical_point(phi, sigma_b, norm=norm, eps=eps)
    record: dict[str, Any] = {"activation": phi.label, "sigma_b": sigma_b, "norm": norm, "eps": eps}
    record |= {"sigma_w": point.sigma_w, "q_star": point.q_star, "reasons": point.reasons}
    if point.sigma_w is not None:
        laws = critical_exponents(phi, sigma_b, norm=norm, eps=eps)
        record["exponents"] = {"q": laws.q and asdict(laws.q), "1-c": laws.correlation and asdict(laws.correlation)}
    if json_output:
        print_json(record)
        return
    for name in ("sigma_w", "q_star"):
        value = record[name]
        print(f"{name} {point.reasons[name] if value is None else format(value, '.12g')}")
    for name, law in record.get("exponents", {}).items():
        if law:
            print(f"{name} ~ {law['factor']:.3g} l^{law['power']:g}")
