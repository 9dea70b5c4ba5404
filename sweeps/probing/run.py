"""Measures a user's network, and prints and draws what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from phasemap.sweeps.probing.inputs import given_inputs, parse_shape, random_inputs
from phasemap.sweeps.probing.model import load_model
from phasemap.sweeps.probing.text import print_probe
from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard, keep_apart_at_exit, one_line
from phasemap.theory.ranges import check
from phasemap.theory.shown import print_json, shown
from phasemap.theory.user_code import file_of
from phasemap.train.probe.measure import probe
from phasemap.train.probe.probeable import probeable
from phasemap.train.probe.report import record
from phasemap.train.whole_file import write_bytes


def probe_file(
    text: str,
    *,
    shape: str | None,
    batch_size: int,
    seed: int = 0,
    samples: Path | None = None,
    mode: str = "train",
    device: str | None = None,
    as_json: bool = False,
    plot: Path | None = None,
) -> None:
    """Probes the module that ``path/to/file.py:factory`` makes, on random inputs or on samples of an ``.npz`` file.

    Raises:
        InputError: one line for whatever cannot be used.
    """
    if batch_size < 2:
        raise InputError(f"--batch-size {batch_size}: expected at least 2 samples")
    check(seed=seed)
    if plot is not None and plot.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"--plot {plot}: expected a .png, .pdf or .svg file")
    size = parse_shape(shape) if shape is not None else None
    where = _device(device)
    if samples is None:
        x, source = random_inputs(size, batch_size, seed)
    else:
        x, source = given_inputs(samples, size, batch_size, seed)
    drawn_to, plot = plot, plot and plot.absolute()  # the user's code may go to another folder
    with guard(f"{text!r}: probing it failed", file=file_of(text)):
        model = load_model(text, seed)
        probeable(model)
        with guard(f"{text!r}: .to({str(where)!r}) failed"):
            model.to(where)
        floating = [p for p in model.parameters() if p.is_floating_point()]
        dtype = floating[0].dtype if floating else torch.float32
        found = probe(model, x.to(where, dtype), seed=seed, mode=mode)
        head: dict[str, Any] = {
            "model": text,
            "class": type(model).__name__,
            "parameters": sum(p.numel() for p in model.parameters()),
            "input": source,
            "input_shape": list(x.shape[1:]),
            "batch_size": batch_size,
            "dtype": str(dtype).removeprefix("torch."),
            "device": str(where),
            "mode": mode,
            "seed": seed,
        }
    keep_apart_at_exit()
    if as_json:
        print_json({**head, **record(found)})
    else:
        print_probe(head, found)
    if plot is not None:
        from phasemap.sweeps.figures.probe import figure_probe
        from phasemap.sweeps.figures.style import drawn, styled

        with styled():
            picture = figure_probe(found, title=shown(f"{text}, batch size {batch_size}"))
            write_bytes(plot, drawn(picture, plot.suffix[1:]))
        if not as_json:
            print(shown(str(drawn_to)))


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or "cpu")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise InputError(f"--device {name}: {one_line(str(error))}") from error
    if device.type == "meta":
        raise InputError("--device meta: it has no numbers; expected cpu or cuda:0")
    return device
