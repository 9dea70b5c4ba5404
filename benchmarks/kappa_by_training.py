"""κ against width × Σ lr: ReLU networks on MNIST at batch sizes 16 and 64, three seeds.

    PHASEMAP_DATA_DIR=DIR python benchmarks/kappa_by_training.py [--out FOLDER] [--workers N]

Each row is a map of two columns. Rows of equal width × Σ lr differ in width, in the learning rate or in the number of
steps. κ is frontier/ξ of one column, from the accuracies' mean over seeds; its interval is that of ln(frontier/ξ) over
seeds, each with a frontier of its own (Student's t). Maps that are there already are not trained again; about 50 CPU
minutes. Writes benchmarks/results/kappa_by_training.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

import phasemap
from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.verdict import frontier

RESULTS = Path(__file__).parent / "results" / "kappa_by_training.json"
ROWS = (  # width, learning rate, steps
    (96, 0.01, 150),
    (96, 0.0025, 600),
    (384, 0.0025, 150),
    (96, 0.01, 600),
    (192, 0.01, 300),
    (384, 0.01, 150),
    (96, 0.01, 2400),
    (96, 0.04, 600),
    (384, 0.01, 600),
)
GRID = {"dataset": "mnist", "batch_size": [16, 64], "depth": [8, 16, 24, 32, 40, 48, 56, 64], "seed": [0, 1, 2]}


def measured(phase_map: xr.Dataset) -> dict[str, Any]:
    """κ of each column with its interval over seeds, and the best accuracy of the map."""
    xi, whole = theory_of(phase_map).prediction.xi, frontier.find(phase_map)
    each = [frontier.find(phase_map.isel(seed=[i])).depth for i in range(phase_map.sizes["seed"])]
    columns = {}
    for j, size in enumerate(phase_map["batch_size"].values):
        logs = np.log([depth[j] / xi[j] for depth in each])
        end = stats.t.ppf(0.975, logs.size - 1) * logs.std(ddof=1) / np.sqrt(logs.size)
        low, high = np.exp(logs.mean() - end), np.exp(logs.mean() + end)
        columns[str(size)] = {
            "kappa": whole.depth[j] / xi[j],
            "low": low,
            "high": high,
            "seeds": np.exp(logs).tolist(),
        }
    return {"best": whole.best, "columns": columns}


def main() -> None:
    """Trains what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/kappa-by-training"))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    rows = []
    for width, lr, steps in ROWS:
        changes = {**GRID, "width": width, "lr": lr, "steps": steps}
        out = given.out / f"{width}-{lr}-{steps}"
        settings = [f"{name}={json.dumps(value)}" for name, value in changes.items()]
        phase_map = phasemap.run("bn-fig3a", preset="quick", settings=settings, out=out, workers=given.workers)
        rows.append(
            {"width": width, "lr": lr, "steps": steps, "width_sum_lr": width * lr * steps, **measured(phase_map)}
        )
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        print(json.dumps(rows[-1]))


if __name__ == "__main__":
    main()
