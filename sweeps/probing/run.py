"""Measures a user's network, and prints and draws what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from phasemap.sweeps.probing.inputs import given_inputs, made_inputs, parse_shape, random_inputs
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

BATCH_SIZE = 128
"""Of random numbers and of samples, unless another is given."""


def probe_file(
    text: str,
    *,
    shape: str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    samples: Path | None = None,
    inputs: str | None = None,
    mode: str = "train",
    device: str | None = None,
    as_json: bool = False,
    every_layer: bool = False,
    plot: Path | None = None,
) -> None:
    """Probes the module that ``path/to/file.py:factory`` makes, on random inputs, on samples of an ``.npz`` file, or on
    what ``inputs``, ``path/to/file.py:name``, makes.

    Raises:
        InputError: one line for whatever cannot be used.
    """
    given = {"--input": shape, "--samples": samples, "--batch-size": batch_size}
    if inputs is not None and (unused := [name for name, value in given.items() if value is not None]):
        raise InputError(f"--inputs {inputs!r} makes the whole batch: expected no {' or '.join(unused)} beside it")
    batch_size = BATCH_SIZE if batch_size is None else batch_size
    if batch_size < 2:
        raise InputError(f"--batch-size {batch_size}: expected at least 2 samples")
    check(seed=seed)
    if plot is not None and plot.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"--plot {plot}: expected a .png, .pdf or .svg file")
    size = parse_shape(shape) if shape is not None else None
    where = _device(device)
    fed = None
    if samples is not None:
        fed = given_inputs(samples, size, batch_size, seed)
    elif inputs is None:
        fed = random_inputs(size, batch_size, seed)
    drawn_to, plot = plot, plot and plot.absolute()  # the user's code may go to another folder
    with guard(f"{text!r}: probing it failed", file=file_of(text)):
        model = load_model(text, seed)
        probeable(model)
        with guard(f"{text!r}: .to({str(where)!r}) failed"):
            model.to(where)
        floating = [p for p in model.parameters() if p.is_floating_point()]
        dtype = floating[0].dtype if floating else torch.float32
        fed = made_inputs(str(inputs), model, seed).to(where) if fed is None else fed.to(where, dtype)
        found = probe(model, *fed.arguments, keywords=fed.keywords, seed=seed, mode=mode)
        head: dict[str, Any] = {
            "model": text,
            "class": type(model).__name__,
            "parameters": sum(p.numel() for p in model.parameters()),
            "input": fed.words,
            "input_shape": list(fed.batch.shape[1:]),
            "batch_size": len(fed.batch),
            "dtype": str(dtype).removeprefix("torch."),
            "device": str(where),
            "mode": mode,
            "seed": seed,
        }
    keep_apart_at_exit()
    if as_json:
        print_json({**head, **record(found)})
    else:
        print_probe(head, found, every=every_layer)
    if plot is not None:
        from phasemap.sweeps.figures.probe import figure_probe
        from phasemap.sweeps.figures.style import drawn, styled

        with styled():
            picture = figure_probe(found, title=shown(f"{text}, batch size {len(fed.batch)}"))
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
