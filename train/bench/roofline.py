"""The roofline: what a training step must compute and move, against what this processor can.

The floor of a step's time is the larger of (its matrix products' FLOP / the measured rate of a large product) and (the
bytes it moves / the measured rate of a large copy). What a step moves is counted as if every tensor that one kernel
hands to the next were written once and read once, and no kernel were fused with a matrix product. Tensors that stay in
a cache move faster than a large copy does, so that a small stack can come out above 1.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from phasemap.train.families.catalogue import family_of

ITEM = {"float32": 4, "float64": 8}
WEIGHT_PASSES = {"sgd": 6, "rmsprop": 8}
"""Read forward and backward, gradient written and read, weight read and written (and RMSProp's average, both)."""
LAYER_PASSES = 11
"""Of one BN layer's B x N numbers. Forward: pre-activation written, read; normalised one written; output written, read.
Backward: its gradient written, read; normalised one and output read; pre-activation's gradient written, read."""
HIDDEN_PASSES, SKIP_PASSES = 9, 6
"""Of a residual block. Hidden: pre-activation and phi written, read; phi's gradient written, read; phi read;
pre-activation's gradient written, read. Skip: read to be added to, written, read; gradient read, x read, gradient
written."""


def flops(cell: Mapping[str, Any], *, inputs: int, classes: int) -> int:
    """Multiplications and additions of one step's matrix products: forward, by the weights, by the inputs (not the
    first layer's)."""
    shapes = _shapes(cell, inputs, classes)
    every = sum(fan_in * fan_out for fan_in, fan_out in shapes)
    first = shapes[0][0] * shapes[0][1]
    return int(2 * cell["batch_size"] * (3 * every - first))


def bytes_moved(cell: Mapping[str, Any], *, inputs: int, classes: int) -> int:
    """Bytes that one step writes and reads (module docstring)."""
    weights = sum(fan_in * fan_out for fan_in, fan_out in _shapes(cell, inputs, classes))
    family = family_of(cell)
    widths = family.hidden_widths(cell)
    if family.uses_batch_statistics:
        per_sample = LAYER_PASSES * sum(widths)
    else:  # residual blocks
        per_sample = HIDDEN_PASSES * sum(widths[::2]) + SKIP_PASSES * sum(widths[1::2])
    moved = WEIGHT_PASSES[cell["optimizer"]] * weights + cell["batch_size"] * per_sample
    return int(ITEM[cell["dtype"]] * moved)


def _shapes(cell: Mapping[str, Any], inputs: int, classes: int) -> list[tuple[int, int]]:
    """(fan_in, fan_out) of every matrix, in order."""
    family = family_of(cell)
    sizes = family.hidden_widths(cell)
    if not family.uses_batch_statistics:  # the embedding of a residual network
        sizes = [int(cell["widths"]), *sizes]
    sizes = [inputs, *sizes, classes]
    return list(pairwise(sizes))


def floor(
    stack: Sequence[Mapping[str, Any]], peaks: Mapping[str, float], *, inputs: int, classes: int
) -> dict[str, float]:
    """The floor of a step of a whole stack, in seconds.

    Args:
        peaks: of ``measure_peaks``.
    """
    gemm = sum(flops(cell, inputs=inputs, classes=classes) for cell in stack)
    moved = sum(bytes_moved(cell, inputs=inputs, classes=classes) for cell in stack)
    by_gemm, by_memory = gemm / peaks["gemm_flops_per_second"], moved / peaks["copy_bytes_per_second"]
    return {
        "flops": float(gemm),
        "bytes": float(moved),
        "gemm_seconds": by_gemm,
        "memory_seconds": by_memory,
        "floor_seconds": max(by_gemm, by_memory),
    }


def measure_peaks(device: str) -> dict[str, float]:
    """The rates of a large float32 matrix product, and of a large copy (bytes read and written), of one process."""
    import torch

    from phasemap.train.planning.dtype import float32_products

    size, numbers = (8192, 2**28) if device.startswith("cuda") else (1536, 2**25)
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    out, source = torch.empty_like(a), torch.randn(numbers, device=device)
    target = torch.empty_like(source)

    def finish() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    def best(work: Any, repetitions: int = 7) -> float:
        times = []
        for _ in range(repetitions):
            finish()
            started = time.perf_counter()
            work()
            finish()
            times.append(time.perf_counter() - started)
        return min(times)

    with float32_products(None):
        gemm = best(lambda: torch.mm(a, b, out=out))
    return {
        "gemm_flops_per_second": 2 * size**3 / gemm,
        "copy_bytes_per_second": 2 * 4 * numbers / best(lambda: target.copy_(source)),
    }
