"""The largest learning rate: what theory predicts at initialisation against networks that are trained.

    python benchmarks/largest_learning_rate.py [--only kernels,edges,levels,batch_norm] [--out FILE]

* kernels: the tangent kernel and the largest eigenvalue of the Gauss–Newton matrix, of random networks and by theory.
* edges: the learning rate at which residual networks diverge within 40 steps on digits, by bisection for each of six
  seeds, in units of √(N·p)/Θ and of 2/λ_max, both of ``phasemap.theory.learning_rate.residual``.
* levels: the log p above which the networks of Fig. 2(a,c), quick preset, must diverge, by learning rate.
* batch_norm: the depth that BN networks train to, by learning rate and number of steps.

Writes benchmarks/results/largest_learning_rate.json; rows that are there already are kept.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from phasemap.models.sampling.tangent_kernel import tangent_kernel
from phasemap.models.stack import Stack
from phasemap.sweeps.advice.levels import DIVERGES
from phasemap.sweeps.verdict.divergence_level import threshold
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.learning_rate.batchnorm import curvature_limit, mean_kernel
from phasemap.theory.learning_rate.gauss_newton import largest_eigenvalue, of_independent_outputs, uniform_eigenvalue
from phasemap.theory.learning_rate.residual import largest_learning_rate
from phasemap.theory.learning_rate.residual_kernel import residual_kernel
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace
from phasemap.train.cells import Cell, cells
from phasemap.train.data.load import load
from phasemap.train.data.samples import Data
from phasemap.train.engine.data_order import epoch_order
from phasemap.train.engine.step import Step
from phasemap.train.families.batchnorm_mlp import BatchNormMLP
from phasemap.train.families.catalogue import family_of
from phasemap.train.families.residual import FAMILY
from phasemap.train.parameters import normalise
from phasemap.train.tile import train_tile

RESULTS = Path(__file__).parent / "results" / "largest_learning_rate.json"
CLASSES = 10
Row = dict[str, Any]

RELU = [
    *({"depth": depth} for depth in (4, 8, 16, 30)),
    *({"depth": depth, "beta_w": 0.4, "beta_b": 0.4} for depth in (16, 30, 60)),
    {"depth": 30, "beta_w": 1.0, "beta_b": 1.0},
    {"depth": 60, "beta_w": 2.0, "beta_b": 2.0},
    *({"depth": 16, "widths": str(width)} for width in (32, 128, 256)),
    *({"depth": 16, "beta_w": 0.4, "beta_b": 0.4, "batch_size": size} for size in (8, 128)),
]
TANH = [
    *({"depth": depth} for depth in (8, 30, 60)),
    {"depth": 30, "beta_v": 1.0, "beta_a": 1.0},
    {"depth": 30, "beta_v": 0.5, "beta_a": 0.5, "beta_w": 0.5, "beta_b": 0.5},
]
LINEAR = [{"depth": depth} for depth in (8, 16)]
EDGES = [
    {"activation": name, **row} for name, rows in (("relu", RELU), ("tanh", TANH), ("identity", LINEAR)) for row in rows
]
SEEDS, STEPS = tuple(range(6)), 40
BLOWN_UP = 1e4  # times the first loss; one that does not diverge stays below 4·√N times it
OCTAVES, HALVINGS = 6.0, 6  # of the learning rate above √(N·p)/Θ, and how often the search halves them


def residual(setting: Mapping[str, Any]) -> Row:
    """Normalised parameters of residual networks on digits."""
    return normalise(
        {"architecture": FAMILY.name, "dataset": "digits", "widths": "64", "batch_size": 32, "lr": 1.0, "steps": 1}
        | {"seed": list(SEEDS)}
        | dict(setting)
    )


def moments_of(data: Data) -> tuple[float, float]:
    """Mean square of a sample's numbers, and mean product of those of two samples."""
    gram = data.x_train.astype(float) @ data.x_train.T.astype(float) / data.x_train.shape[1]
    return float(np.diag(gram).mean()), float((gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1)))


def trace_of(parameters: Mapping[str, Any], p0: float, gamma0: float) -> ResidualTrace:
    settings = {name: value for name, value in parameters.items() if name.startswith(("sigma_", "beta_"))}
    return residual_recurrence(
        activation(parameters["activation"]), parameters["depth"], p0=p0, gamma0=gamma0, **settings
    )


def copies(cell: Cell, inputs: int) -> Callable[[int], Stack]:
    return lambda count: family_of(cell).build([cell] * count, inputs=inputs, classes=CLASSES, dtype=torch.float32)


def mean_and_error(values: Iterable[float]) -> list[float]:
    array = np.array(list(values))
    return [float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array)))]


def residual_kernels(setting: Mapping[str, Any]) -> Row:
    """Of random networks on the first batch of digits, and by theory."""
    parameters = residual(setting)
    data = load(parameters)
    trace = trace_of(parameters, *moments_of(data))
    width, samples = int(parameters["widths"]), parameters["batch_size"]
    theory = residual_kernel(trace, activation(parameters["activation"]), width=width, inputs=data.x_train.shape[1])
    own, pair = float(theory.own.sum()), float(theory.pair.sum())
    found: dict[str, list[float]] = {"own": [], "pair": [], "uniform": [], "at_logits": []}
    x = torch.from_numpy(data.x_train[:samples])
    for cell in cells(parameters):
        logits, kernel = tangent_kernel(copies(cell, x.shape[1]), x)
        each = np.einsum("iaja->ij", kernel) / CLASSES
        found["own"].append(float(np.trace(each)) / samples)
        found["pair"].append(float(each.sum() - np.trace(each)) / (samples * (samples - 1)))
        found["uniform"].append(largest_eigenvalue(kernel, np.zeros_like(logits)))
        found["at_logits"].append(largest_eigenvalue(kernel, logits))
    random = np.random.default_rng(0)
    common, apart = np.sqrt([trace.gamma[-1], trace.s[-1]])
    kernel = of_independent_outputs(np.full((samples, samples), pair) + (own - pair) * np.eye(samples), CLASSES)
    drawn = [
        largest_eigenvalue(
            kernel, common * random.normal(size=(1, CLASSES)) + apart * random.normal(size=(samples, CLASSES))
        )
        for _ in range(100)
    ]
    return {
        "networks": {name: mean_and_error(values) for name, values in found.items() if name != "at_logits"}
        | {"at_logits": sorted(found["at_logits"])},
        "theory": {
            "own": own,
            "pair": pair,
            "uniform": uniform_eigenvalue(own, pair, samples, CLASSES),
            "at_logits": [float(value) for value in np.quantile(drawn, [0.1, 0.5, 0.9])],
        },
        "log_p": float(trace.log_p[-1]),
    }


def batch_norm_kernels(setting: Mapping[str, Any]) -> Row:
    """The same of BN networks, without γ and β, over centred directions of the batch."""
    parameters = normalise(
        {"architecture": BatchNormMLP.name, "dataset": "digits", "activation": "relu", "train_bn": False, "lr": 1.0}
        | {"steps": 1, "seed": list(SEEDS)}
        | dict(setting)
    )
    data = load(parameters)
    size, depth, width = (parameters[name] for name in ("batch_size", "depth", "width"))
    x = torch.from_numpy(data.x_train[:size])
    means, largest = [], []
    for cell in cells(parameters):
        logits, kernel = tangent_kernel(copies(cell, x.shape[1]), x)
        each = np.einsum("iaja->ij", kernel) / CLASSES
        means.append(float(np.trace(each) - each.sum() / size) / (size - 1))
        largest.append(largest_eigenvalue(kernel, np.zeros_like(logits)))
    predicted = mean_kernel(activation("relu"), size, depth, width, eps=parameters["eps"])
    return {
        "networks": {"mean_kernel": mean_and_error(means), "uniform": mean_and_error(largest)},
        "theory": {"mean_kernel": predicted, "uniform_at_least": predicted / size / CLASSES},
    }


def diverge(points: list[Cell], data: Data) -> np.ndarray:
    """Whether each network diverges in its first steps."""
    stack = family_of(points[0]).build(points, inputs=data.x_train.shape[1], classes=CLASSES, dtype=torch.float32)
    seeds = sorted({point["seed"] for point in points})
    members = [points[place] for place in stack.order.tolist()]
    rates = torch.tensor([member["lr"] for member in members])
    step = Step(
        stack,
        samples=torch.from_numpy(data.x_train),
        labels=torch.from_numpy(data.y_train),
        seed_of_member=torch.tensor([seeds.index(member["seed"]) for member in members]),
        statistics_batch_size=points[0]["batch_size"],
        optimizer=family_of(points[0]).optimizer(stack.parameters(), rates, points[0], STEPS),
        longest=STEPS,
    )
    size = points[0]["batch_size"]
    epochs = -(-STEPS // (len(data.x_train) // size))
    orders = [[epoch_order(seed, epoch, len(data.x_train), size) for epoch in range(epochs)] for seed in seeds]
    step.load(torch.from_numpy(np.stack([np.concatenate(order)[:STEPS] for order in orders], axis=1)))
    for _ in range(STEPS):
        step()
    losses = step.done(STEPS).numpy()
    bad = ~(losses.max(axis=0) <= BLOWN_UP * losses[0])  # not where one is NaN either
    found = np.empty(len(points), bool)
    found[stack.order.numpy()] = bad
    return found


def edge(setting: Mapping[str, Any]) -> Row:
    """The learning rates at which the networks of the seeds diverge, and the predictions."""
    parameters = residual(setting)
    data = load(parameters)
    trace = trace_of(parameters, *moments_of(data))
    predicted = largest_learning_rate(
        trace,
        activation(parameters["activation"]),
        width=int(parameters["widths"]),
        inputs=data.x_train.shape[1],
        classes=CLASSES,
        batch_size=parameters["batch_size"],
    )
    points = cells(parameters)
    low, high = np.zeros(len(points)), np.full(len(points), OCTAVES)

    def bad(octaves: np.ndarray) -> np.ndarray:
        rates = predicted.unit * 2**octaves
        return diverge([Cell({**point, "lr": float(rate)}) for point, rate in zip(points, rates, strict=True)], data)

    assert bad(high).all(), "the search ends too low"
    assert not bad(low).any(), "the search begins too high"
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = bad(middle)
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    lengths = np.sort(2 ** ((low + high) / 2))
    return {
        "log_p": float(trace.log_p[-1]),
        "unit": predicted.unit,
        "curvature": predicted.curvature,
        "step_lengths": [float(value) for value in lengths],
        "median_step_length": float(np.median(lengths)),
        "lr": float(np.median(lengths)) * predicted.unit,
        "lr/curvature": float(np.median(lengths)) * predicted.unit / predicted.curvature,
    }


ZIG: Row = {"activation": "relu", "widths": "64", "batch_size": 32}
ZIG_DEPTHS, ZIG_BETAS = (8, 12, 16, 20, 25, 30, 40, 60), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
P0, GAMMA0, INPUTS = 1.0, 0.29, 784
"""Of MNIST, as docs/figures-vv.md has them."""


def zig() -> Row:
    """Predicted learning rates of the networks of Fig. 2(a,c)'s columns, and the level of log p at each learning rate
    that has the fewest of them on the wrong side: the statistic of ``phasemap.sweeps.verdict.divergence_level``."""
    found = []
    for beta in ZIG_BETAS:
        for depth in ZIG_DEPTHS:
            trace = trace_of(residual({**ZIG, "depth": depth, "beta_w": beta, "beta_b": beta}), P0, GAMMA0)
            limits = largest_learning_rate(trace, activation("relu"), width=int(ZIG["widths"]), inputs=INPUTS)
            found.append(
                (float(trace.log_p[-1]), limits.low, limits.diverges, limits.high, limits.unit, limits.curvature)
            )
    log_p, *by_limit = np.array(found).T
    levels = []
    for rate, measured in DIVERGES.items():
        row: Row = {"lr": rate, "measured": list(measured)}
        for name, limit in zip(("low", "diverges", "high", "unit", "curvature"), by_limit, strict=True):
            row[name] = None
            if (limit < rate).any() and (limit > rate).any():
                below, above, wrong = threshold(log_p, limit < rate)
                row[name] = {"level": (below + above) / 2, "between": [below, above], "wrong": wrong}
        levels.append(row)
    return {"levels": levels}


BN_DEPTHS = tuple(range(6, 49, 6))
BN = {"activation": "relu", "dataset": "digits", "width": 64, "batch_size": 32}


def frontier(depths: np.ndarray, accuracy: np.ndarray) -> float | None:
    """The depth at which half of the best accuracy's lead over chance is left, or None outside of the depths."""
    share = (accuracy - 1 / CLASSES) / (accuracy.max() - 1 / CLASSES)
    below = np.flatnonzero(share < 0.5)
    if not below.size or below[0] == 0:
        return None
    place = below[0]
    return float(np.interp(-0.5, -share[[place - 1, place]], depths[[place - 1, place]]))


def batch_norm(setting: Mapping[str, Any]) -> Row:
    """Test accuracy by depth and learning rate after some steps, the frontier and κ, with an error over seeds."""
    parameters = {"architecture": BatchNormMLP.name, **BN, "depth": list(BN_DEPTHS), "seed": [0, 1, 2]} | dict(setting)
    result = train_tile(parameters)["content"]["cells"]
    xi = depth_scale(activation("relu"), BN["batch_size"], eps=1e-3).xi
    rows: Row = {}
    for rate in parameters["lr"]:
        accuracy = np.array(
            [
                [
                    each["test_accuracy"] or 0.0
                    for each in result
                    if each["parameters"]["lr"] == rate and each["seed"] == s
                ]
                for s in parameters["seed"]
            ]
        )
        depths = np.array(parameters["depth"], float)
        ends = [frontier(depths, one) for one in accuracy]
        kappas = [end / xi for end in ends if end is not None]
        rows[f"{rate:g}"] = {
            "accuracy": [round(float(value), 3) for value in accuracy.mean(axis=0)],
            "kappa": mean_and_error(kappas) if len(kappas) == len(ends) else None,
        }
    limits = {
        depth: curvature_limit(activation("relu"), BN["batch_size"], depth, BN["width"], eps=1e-3)
        for depth in parameters["depth"]
    }
    return {"xi": xi, "by_lr": rows, "curvature_limit": limits}


KERNELS = [
    {"activation": "relu", "depth": 8, "seed": list(range(8))},
    {"activation": "relu", "depth": 16, "seed": list(range(8))},
    {"activation": "relu", "depth": 16, "beta_w": 0.4, "beta_b": 0.4, "seed": list(range(8))},
    {"activation": "tanh", "depth": 16, "seed": list(range(8))},
]
BN_KERNELS = [{"depth": depth, "width": 128, "batch_size": 32} for depth in (4, 8, 16)]
BN_SETTINGS = [
    *({"lr": [2.0**-8, 2.0**-6, 2.0**-4, 2.0**-2], "steps": steps} for steps in (38, 150, 600)),
    *({"lr": [1.0, 4.0, 16.0, 64.0], "depth": [6, 12], "steps": 150, "train_bn": each} for each in (True, False)),
]
PARTS: dict[str, list[tuple[str, Callable[[Any], Row], Mapping[str, Any]]]] = {
    "kernels": [("residual", residual_kernels, row) for row in KERNELS]
    + [("batch_norm", batch_norm_kernels, row) for row in BN_KERNELS],
    "edges": [("residual", edge, row) for row in EDGES],
    "levels": [("zig", lambda _: zig(), {})],
    "batch_norm": [("batch_norm", batch_norm, row) for row in BN_SETTINGS],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = json.loads(given.out.read_text()) if given.out.exists() else {}
    for part in given.only.split(","):
        rows = results.setdefault(part, [])
        for kind, compute, setting in PARTS[part]:
            head = {"family": kind, "setting": dict(setting)}
            if not any({key: row[key] for key in head} == head for row in rows):
                rows.append(head | compute(setting))
                given.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
                print(part, json.dumps(rows[-1], ensure_ascii=False)[:600], flush=True)


if __name__ == "__main__":
    main()
