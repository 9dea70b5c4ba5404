"""Times of the plain networks' theory, one core: ``python benchmarks/theory_mlp.py``.

Each number is the least of five runs in this process, in milliseconds of processor time. GELU goes by quadrature, whose
expectations are kept: its numbers are those of a setting that was asked before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402

from phasemap.theory.activations import activation  # noqa: E402
from phasemap.theory.mlp.record import mlp_record  # noqa: E402
from phasemap.theory.mlp.solution import solve  # noqa: E402


def milliseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def main() -> None:
    sigma_w, sigma_b = np.linspace(0.8, 2, 50)[:, None], np.linspace(0, 1, 50)
    for name in ("tanh", "relu", "gelu"):
        phi = activation(name)
        if name != "gelu":
            plane = milliseconds(lambda phi=phi: solve(phi, sigma_w, sigma_b).xi_c)
            print(f"{name}: 50 × 50 values of ξ_c {plane:.0f} ms")
        print(f"{name}: one ξ_c {milliseconds(lambda phi=phi: solve(phi, 1.5, 0.2).xi_c):.1f} ms")
        print(f"{name}: one record {milliseconds(lambda phi=phi: mlp_record(phi, sigma_w=1.5, sigma_b=0.2)):.1f} ms")


if __name__ == "__main__":
    main()
