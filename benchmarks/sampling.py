"""Time of sampling BN networks without their weight matrices, and with them, one core.

``python benchmarks/sampling.py [--out FILE.json]``. Forward and backward, ReLU, float64, in seconds of processor time
per network and layer (median over repetitions). The dense rival draws its weights with the same generator and
propagates them the same way.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_layer import batchnorm_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, bsb1_inputs, sample_networks

SIZES = ((8, 256), (8, 1024), (32, 1024), (128, 1024))
DEPTH, NETWORKS = 5, 4


def shadows(batch_size: int, width: int) -> None:
    law = NetworkLaw(torch_activation("relu"), width, DEPTH)
    sample_networks(law, bsb1_inputs(batch_size, width), networks=NETWORKS)


def dense(batch_size: int, width: int) -> None:
    activation, ones = torch_activation("relu"), torch.ones(1, width, dtype=torch.float64)
    for network in range(NETWORKS):
        generator = np.random.default_rng(network)
        x, kept = bsb1_inputs(batch_size, width).unsqueeze(0), []
        for _ in range(DEPTH):
            w = torch.from_numpy(generator.standard_normal((1, width, width))) / width**0.5
            h = torch.bmm(x, w).requires_grad_()
            out, _, _ = batchnorm_activation(h, ones, 0 * ones, 0 * ones[:, 0], groups=1, activation=activation)
            kept.append((h, out, w))
            x = out.detach()
        gradient = torch.from_numpy(generator.standard_normal((1, batch_size, width)))
        for h, out, w in reversed(kept):
            (gradient,) = torch.autograd.grad(out, h, gradient)
            gradient = torch.bmm(gradient / gradient.norm(), w.mT)


def measure(run: Callable[[int, int], None], size: tuple[int, int], repetitions: int) -> float:
    run(*size)
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        run(*size)
        times.append(time.process_time() - start)
    return statistics.median(times) / (DEPTH * NETWORKS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the numbers, the machine and versions to this JSON file")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seconds = {}
    for batch_size, width in SIZES:
        ours, rival = (measure(run, (batch_size, width), arguments.repetitions) for run in (shadows, dense))
        seconds[f"B {batch_size}, N {width}"] = {"without matrices": ours, "with matrices": rival}
        print(
            f"B {batch_size:4d}, N {width:5d}: {ours * 1e3:8.2f} ms without matrices, {rival * 1e3:8.2f} ms with them"
        )
    if arguments.out:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
        result = {"seconds": seconds, "repetitions": arguments.repetitions, "machine": machine, "versions": versions}
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
