"""``phasemap probe FILE.py:FACTORY``: measures a user's network, and prints and draws what was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from phasemap.theory.errors import InputError
from phasemap.theory.user_code import load_user_module
from phasemap.train.compat import torchvision_import as torchvision_ops
from phasemap.train.probe.measure import Probe, probe
from phasemap.train.probe.report import layer_table, record, shown, step_table, summary


def run(
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
    size = _shape(shape) if shape is not None else None
    where = _device(device)
    model = load_model(text, seed).to(where)
    floating = [p for p in model.parameters() if p.is_floating_point()]
    x, source = (
        _random(size, batch_size, seed, shape is None) if samples is None else _given(samples, size, batch_size, seed)
    )
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
        _print(head, found)
    if plot is not None:
        from phasemap.sweeps.figures.probe import figure_probe
        from phasemap.sweeps.figures.style import styled

        with styled():
            figure_probe(found, title=f"{text}, batch size {batch_size}").savefig(plot)
        if not as_json:
            print(plot)


def load_model(text: str, seed: int) -> nn.Module:
    """The module of ``path/to/file.py:factory``, whose weights are drawn after ``torch.manual_seed(seed)``.

    Raises:
        InputError: as ``load_user_module``; no callable, it fails, or what it returns is no module.
    """
    try:
        return _load(text, seed)
    except InputError as error:
        if "torchvision::" not in str(error):
            raise
        torchvision_ops.ensure()  # only now: importing it takes longer than most probes
        return _load(text, seed)


def _load(text: str, seed: int) -> nn.Module:
    module, name = load_user_module(text)
    factory = getattr(module, name)
    if isinstance(factory, nn.Module):
        return factory
    if not callable(factory):
        raise InputError(f"{text!r}: {name} is of type {type(factory).__name__}: expected a function without arguments")
    torch.manual_seed(seed)
    try:
        model = factory()
    except Exception as error:  # whatever the user's function raises is the user's mistake to read
        lines = str(error).splitlines() or [""]
        raise InputError(f"{text!r}: {name}() failed: {type(error).__name__}: {lines[0]}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{text!r}: {name}() returned {type(model).__name__}: expected a torch.nn.Module")
    return model


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise InputError(f"--input {text!r}: expected the shape of one sample, such as 3,32,32 or 784")
    return shape


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or "cpu")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: {str(error).splitlines()[0]}") from error
    return device


def _random(size: tuple[int, ...] | None, batch_size: int, seed: int, missing: bool) -> tuple[Tensor, str]:
    if size is None or missing:
        raise InputError("--input: expected the shape of one sample, such as 3,32,32, or --samples FILE.npz")
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch_size, *size, generator=generator), "random N(0, 1)"


def _given(path: Path, size: tuple[int, ...] | None, batch_size: int, seed: int) -> tuple[Tensor, str]:
    """``batch_size`` samples of x_train, x, or the only array of the file, drawn without replacement."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in ("x_train", "x") if name in file.files] or file.files
            array = file[names[0]] if len(names) == 1 or names[0] in ("x_train", "x") else None
    except (OSError, ValueError) as error:
        raise InputError(f"--samples {path}: not a readable .npz file ({str(error).splitlines()[0]})") from error
    if array is None:
        raise InputError(f"--samples {path}: expected an array x_train or x, found {', '.join(names)}")
    if array.ndim < 1 or len(array) < batch_size:
        raise InputError(
            f"--samples {path}: holds {len(array) if array.ndim else 0} samples, fewer than --batch-size {batch_size}"
        )
    if size is not None and tuple(array.shape[1:]) != size:
        if int(np.prod(array.shape[1:])) != int(np.prod(size)):
            raise InputError(f"--samples {path}: samples of shape {array.shape[1:]} do not fit --input {size}")
        array = array.reshape(len(array), *size)
    chosen = np.random.default_rng(seed).choice(len(array), batch_size, replace=False)
    return torch.from_numpy(np.asarray(array[chosen], dtype=np.float64)), f"{path.name}:{names[0]}"


def _print(head: dict[str, Any], found: Probe) -> None:
    console = Console(width=120, highlight=False)
    console.print(
        f"{head['model']} ({head['class']}, {head['parameters']:,} parameters), input {head['input']} of shape "
        f"{tuple(head['input_shape'])}, batch size {head['batch_size']}, {head['dtype']}, {head['mode']} mode",
        markup=False,
    )
    for title, (header, rows), count in (
        ("Activations and gradients", layer_table(found), len(found.layers)),
        ("Steps of the explosion rate", step_table(found), len(found.points) - 1),
    ):
        if not rows:
            continue
        some = "" if len(shown(count)) == count else f" ({len(rows)} of {count} shown; --json has all)"
        table = Table(*header, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title + some, title_justify="left")
        for column in table.columns[3:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row)
        console.print(table, markup=False)
    for line in summary(found):
        console.print(line, markup=False, soft_wrap=True)
