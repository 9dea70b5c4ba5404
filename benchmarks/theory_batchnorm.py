"""Times of the batch norm theory, one core: ``python benchmarks/theory_batchnorm.py [--out FILE.json]``.

Each number is the median of several runs in this process, in seconds, with every cache emptied before each run; the
command starts Python anew. ``worst relative error`` is the largest that the theory itself estimates over the map.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import scipy  # noqa: E402

from phasemap.theory.activations import activation  # noqa: E402
from phasemap.theory.batchnorm import batchnorm_record  # noqa: E402
from phasemap.theory.batchnorm.gradient_explosion import depth_scale, depth_scales  # noqa: E402

BATCHES = np.unique(np.round(np.geomspace(4, 4096, 60)).astype(int))[:50]
GOALS = {
    "xi of relu at 1000 batch sizes": 0.05,
    "50 x 50 map of xi over (gamma, B), tanh": 2.0,
    "50 x 50 map of xi over (eps, B), tanh": 10.0,
    "phasemap theory batchnorm --json, cold": 1.0,
}


def forget() -> None:
    """Empties every cache of the theory."""
    for module in [module for key, module in sys.modules.items() if key.startswith("theory.")]:
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
    gc.collect()


def relu_curve() -> float:
    depth_scales(activation("relu"), np.arange(4, 1004))
    return 0.0


def gamma_map() -> float:
    scales = [
        depth_scale(activation("tanh", scale=float(gamma)), int(b))
        for b in BATCHES
        for gamma in np.geomspace(0.1, 5, 50)
    ]
    return max(scale.error / scale.xi for scale in scales)


def eps_map() -> float:
    phi = activation("tanh")
    scales = [depth_scale(phi, int(b), eps=float(eps)) for b in BATCHES for eps in np.geomspace(1e-5, 3, 50)]
    return max(scale.error / scale.xi for scale in scales)


def all_quantities() -> float:
    records = [batchnorm_record(activation("tanh"), int(b)) for b in BATCHES]
    return float(10.0 ** -min(record["digits"] for record in records))


def command() -> float:
    arguments = ["theory", "batchnorm", "--activation", "tanh", "--batch-size", "64", "--json"]
    subprocess.run([sys.executable, "-m", "phasemap", *arguments], check=True, capture_output=True)
    return 0.0


TIMES: dict[str, Callable[[], float]] = {
    "xi of relu at 1000 batch sizes": relu_curve,
    "50 x 50 map of xi over (gamma, B), tanh": gamma_map,
    "50 x 50 map of xi over (eps, B), tanh": eps_map,
    "all quantities at 50 batch sizes, tanh": all_quantities,
    "phasemap theory batchnorm --json, cold": command,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    for title, work in TIMES.items():
        walls, cpus, error = [], [], 0.0
        for _ in range(options.runs):
            forget()
            wall, cpu = time.perf_counter(), time.process_time()
            error = work()
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
        entry = {"wall": statistics.median(walls), "goal": GOALS.get(title, float("nan"))}
        entry |= {"cpu": statistics.median(cpus)} if work is not command else {}
        entry |= {"worst relative error": error} if error else {}
        results[title] = {key: value for key, value in entry.items() if value == value}
        print(title, results[title], flush=True)
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    report = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "versions": versions, "seconds": results}
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
