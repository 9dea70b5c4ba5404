"""The predicted gradient rate against random networks of widths 256, 512 and 1024, whether BSB1 attracts or not.

    python benchmarks/rate_where_networks_are.py [--networks 16]

For each activation and batch size: ln λ from the networks' middle layers, extrapolated to infinite width by a straight
line in 1/N; the prediction of ``batchnorm_record``; their distance in standard errors of both. Every network has inputs
of its own: at BSB1 from the start where BSB1 attracts, as ReLU's λ_L↑ is so close to 1 that unequal samples stay so for
a hundred layers; else samples of unequal lengths, since the BSB2 that a batch goes to depends on its input. Writes
benchmarks/results/rate_where_networks_are.json; settings that are there already are kept.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phasemap.models.activations import torch_activation
from phasemap.models.sampling.batchnorm import NetworkLaw, sample_networks
from phasemap.models.sampling.rates import Estimate, extrapolate, log_growth, mean_of
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record

RESULTS = Path(__file__).parent / "results" / "rate_where_networks_are.json"
ACTIVATIONS = ("relu", "tanh", "gelu", "silu")
BATCH_SIZES = (16, 64)
WIDTHS = (256, 512, 1024)
DEPTH = {"BSB1": 60, "BSB2": 240}
SKIP = {"BSB1": 10, "BSB2": 160}
"""Layers, and how many of them at the bottom are left out, while a batch goes to its fixed point."""
TOP = 3
"""Layers left out at the top, where the gradient is not yet an eigenvector."""


def measured(name: str, batch_size: int, width: int, networks: int, fixed_point: str) -> Estimate:
    """The mean of ln λ over networks, each with inputs of its own, and its standard error."""
    law = NetworkLaw(torch_activation(name), width, DEPTH[fixed_point])
    logs = []
    for network in range(networks):
        generator = np.random.default_rng([batch_size, width, network])
        unequal = 0.5 if fixed_point == "BSB2" else 0.0
        lengths = np.exp(unequal * generator.standard_normal((batch_size, 1)))
        inputs = torch.from_numpy(generator.standard_normal((batch_size, width)) * lengths)
        sample = sample_networks(law, inputs, networks=1, seed=1000 * width + network)
        logs.append(float(log_growth(sample)[0, SKIP[fixed_point] : -TOP].mean()))
    return mean_of(np.array(logs))


def compared(name: str, batch_size: int, networks: int) -> dict[str, Any]:
    """One row of the table."""
    record = batchnorm_record(activation(name), batch_size, look_beyond=True)
    estimates = [measured(name, batch_size, width, networks, record["fixed_point"]) for width in WIDTHS]
    limit = extrapolate(WIDTHS, estimates)
    predicted, broken = math.log(record["rate"]), record["broken_symmetry"]
    error = broken["error"] / broken["rate"] if broken else 0.0
    return {
        "activation": name,
        "batch_size": batch_size,
        "fixed_point": record["fixed_point"],
        "lambda_L": record["forward"]["L"],
        "rate_at_bsb1": record["backward"]["G"],
        "rate": record["rate"],
        "rate_error": record["rate"] * error,
        "main_blocks": broken and broken["main_blocks"],
        "widths": list(WIDTHS),
        "measured": [math.exp(one.value) for one in estimates],
        "measured_error": [math.exp(one.value) * one.error for one in estimates],
        "limit": math.exp(limit.value),
        "limit_error": math.exp(limit.value) * limit.error,
        "chi_square": limit.chi_square,
        "networks": networks,
        "distance": (limit.value - predicted) / math.hypot(limit.error, error),
    }


def main() -> None:
    """Fills in what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=16, help="per width")
    networks = parser.parse_args().networks
    torch.set_num_threads(1)
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for batch_size in BATCH_SIZES:
        for name in ACTIVATIONS:
            if not any(row["activation"] == name and row["batch_size"] == batch_size for row in rows):
                rows.append(compared(name, batch_size, networks))
                RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
                print(json.dumps(rows[-1]))


if __name__ == "__main__":
    main()
