"""Which dtype a tile is trained in.

Gradients grow by sqrt(λ_G) a layer, so their squared norm spans depth·ln λ_G in logarithm; float32 spans about 88 on
either side of 1. Beyond that, float32 shows artefacts that look like physics (overflowing gradients, dead networks).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from phasemap.train.cells import Cell, cells
from phasemap.train.families.catalogue import family_of

FLOAT32_SPAN = 80.0
FAST_FLOAT64 = {(6, 0), (7, 0), (8, 0), (9, 0), (10, 0)}
"""Compute capabilities of NVIDIA's chips (P100, V100, A100, H100 and H200, B200) that run float64 at half of their
float32 rate; all others run it at 1/32 or less, consumer Blackwell (12.0) too."""


def exceeds_float32(cell: Mapping[str, Any]) -> bool:
    """Whether the theory says that the cell's gradients leave float32's range."""
    family = family_of(cell)
    return family.log_explosion_bound(cell) > FLOAT32_SPAN and family.log_explosion(cell) > FLOAT32_SPAN


def resolve_dtype(parameters: Mapping[str, Any], device: str = "cpu") -> str:
    """``float32`` or ``float64`` for a tile: what ``dtype`` says. ``auto`` is float64 where a cell needs it and the
    device computes it at no less than a quarter of its float32 rate."""
    if parameters["dtype"] != "auto":
        return str(parameters["dtype"])
    needed = any(exceeds_float32(cell) for cell in _deepest(parameters))
    return "float64" if needed and _fast_float64(device) else "float32"


@contextmanager
def float32_products(tf32: bool | None) -> Iterator[None]:
    """Has a GPU compute float32 matrix products and convolutions in float32, or, with ``tf32``, in TF32.

    The one place that says so: PyTorch leaves convolutions in TF32 unless it is told. The settings are the process's,
    so that they are taken back.
    """
    before = _switch_tf32(bool(tf32), bool(tf32))
    try:
        yield
    finally:
        _switch_tf32(*before)


def _switch_tf32(products: bool, convolutions: bool) -> tuple[bool, bool]:
    """Sets both switches; returns how they stood."""
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    with warnings.catch_warnings():
        # the older of two interfaces: the newer is not there before torch 2.9, and Lightning reads the older
        warnings.filterwarnings("ignore", message=".*new API settings to control TF32.*")
        before = matmul.allow_tf32, cudnn.allow_tf32
        matmul.allow_tf32, cudnn.allow_tf32 = products, convolutions
    return before


def _deepest(parameters: Mapping[str, Any]) -> list[Cell]:
    """One cell for each setting that changes the rate, at the tile's greatest depth, and one seed."""
    first = {name: value[0] for name, value in parameters.items() if isinstance(value, list) and name in ("seed", "lr")}
    depth = parameters.get("depth")
    deepest = {"depth": max(depth)} if isinstance(depth, list) else {}
    return cells({**parameters, **first, **deepest})


def _fast_float64(device: str) -> bool:
    if device == "cpu":
        return True
    import torch

    return torch.cuda.get_device_capability(device) in FAST_FLOAT64
