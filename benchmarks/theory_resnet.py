"""Times of the residual networks' theory, one core: ``python benchmarks/theory_resnet.py [--out FILE.json]``.

Each number is the median of several runs in this process, in seconds, but for ``command``, which starts Python anew.
"""

from __future__ import annotations

import argparse
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
from phasemap.theory.integrals.gaussian_transforms import moments  # noqa: E402
from phasemap.theory.residual import residual_recurrence  # noqa: E402

QUANTITIES = ("p", "q", "s", "gamma", "lambda_", "e", "c", "chi", "chi_w", "chi_v", "chi_a", "chi_b", "log_p", "log_s")


def grid(name: str) -> None:
    """All quantities over 100 values of β × depths 1 … 200: one pass, as ratios do not depend on the depth beyond l."""
    betas = np.linspace(0, 2, 100)
    trace = residual_recurrence(activation(name), 200, beta_w=betas, beta_b=betas)
    for quantity in QUANTITIES:
        getattr(trace, quantity)
    for parameter in ("", "w", "v", "a", "b"):
        trace.log_gradient_ratio(parameter)
    trace.log_gradient_spread("w")


def one(name: str) -> None:
    residual_recurrence(activation(name), 100)


def point() -> None:
    moments(activation("tanh", scale=2.0), 3.0, 1.0)


def command() -> None:
    program = "from phasemap.command_line import main; main(['theory', 'resnet', '--depth', '200', '--json'])"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


CASES: dict[str, Callable[[], None]] = {
    "grid of 100 beta x 200 depths, relu": lambda: grid("relu"),
    "grid of 100 beta x 200 depths, tanh": lambda: grid("tanh"),
    "one network of 100 blocks, tanh": lambda: one("tanh"),
    "one point of V, W by quadrature, a scaled tanh": point,
    "command: theory resnet --depth 200 --json": command,
}


def measure(run: Callable[[], None], repetitions: int) -> float:
    run()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the numbers, the machine and versions to this JSON file")
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    seconds = {}
    for label, run in CASES.items():
        seconds[label] = measure(run, arguments.repetitions)
        print(f"{seconds[label]:9.4f} s  {label}")
    if arguments.out:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
        result = {"seconds": seconds, "repetitions": arguments.repetitions, "machine": machine, "versions": versions}
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
