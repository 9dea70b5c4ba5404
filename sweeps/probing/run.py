"""Measures a user's network, and prints and draws what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from phasemap.sweeps.probing.inputs import given_inputs, parse_shape, random_inputs
from phasemap.sweeps.probing.model import load_model
from phasemap.sweeps.probing.text import print_probe
from phasemap.theory.errors import InputError
from phasemap.train.probe.measure import probe
from phasemap.train.probe.report import record


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
    if plot is not None and plot.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"--plot {plot}: expected a .png, .pdf or .svg file")
    size = parse_shape(shape) if shape is not None else None
    where = _device(device)
    model = load_model(text, seed).to(where)
    floating = [p for p in model.parameters() if p.is_floating_point()]
    if samples is None:
        x, source = random_inputs(size, batch_size, seed)
    else:
        x, source = given_inputs(samples, size, batch_size, seed)
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
    if as_json:
        print(json.dumps({**head, **record(found)}, allow_nan=False, ensure_ascii=False))
    else:
        print_probe(head, found)
    if plot is not None:
        from phasemap.sweeps.figures.probe import figure_probe
        from phasemap.sweeps.figures.style import styled

        with styled():
            figure_probe(found, title=f"{text}, batch size {batch_size}").savefig(plot)
        if not as_json:
            print(plot)


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or "cpu")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: {str(error).splitlines()[0]}") from error
    return device
