"""Twenty settings that `phasemap advise` advises, trained beside the settings that they replace.

    PHASEMAP_DATA_DIR=DIR nice -n 19 python benchmarks/advised_settings.py [--runs DIR] [--only NAME ...]

Each question asks for a depth at which the setting is not trainable, and takes what the advice recommends for one
parameter. Both are trained, three seeds each, on 10 000 pictures of MNIST. What was trained before, in ``--runs``, is
not trained again. Writes results/advised_settings.json, and the same as a table in results/advised_settings.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from scipy import stats

from phasemap.sweeps.advice.answer import advise
from phasemap.train.families import batchnorm_mlp
from phasemap.train.families import residual as residual_family
from phasemap.train.tile import train_tile

RESULTS = Path(__file__).parent / "results" / "advised_settings.json"
DATA = {"dataset": "mnist", "train_size": 10000, "test_size": 2000, "seed": [0, 1, 2]}
WIDTH, LR = 96, 0.01
STEPS = round(6 * 384 / WIDTH / LR)
"""N·Σlr is that of the paper, whose κ = 16 the promises rest on: width 384 and Σ lr = 6."""
RESIDUAL = {"widths": "64", "batch_size": 32, "steps": 600}
"""As in the maps that gave the levels of residual networks."""
MOMENTS = {"p0": 1.0, "gamma0": 0.29}
"""Of MNIST, docs/figures-vv.md."""
UNLESS_GIVEN = {"gamma": 1.0}
"""Values of a network that a question leaves out, where they are not 0."""
NOTHING = 0.1
"""Of the lead over chance that is possible: what is no further above chance is at chance."""
BATCH_NORM, RESIDUAL_NETWORKS = batchnorm_mlp.FAMILY.name, residual_family.FAMILY.name


@dataclass(frozen=True)
class Question:
    """What is asked of ``phasemap advise``.

    Attributes:
        network: options of the network. change: the parameter whose advice is followed. evidence: other options.
        lr: of a residual network, whose level depends on it.
    """

    name: str
    depth: int
    network: dict[str, Any]
    change: str
    arch: str = BATCH_NORM
    evidence: dict[str, Any] = field(default_factory=dict)
    lr: float = LR

    def answer(self, network: Mapping[str, Any]) -> dict[str, Any]:
        """The advice for this network."""
        return advise(self.arch, self.depth, {**network, **self.evidence})

    def training(self, network: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the tile that trains it."""
        there = RESIDUAL if self.arch == RESIDUAL_NETWORKS else {"width": WIDTH, "steps": STEPS}
        return {"architecture": self.arch, "depth": self.depth, **DATA, **there, **network, "lr": self.lr}


def batchnorm(name: str, depth: int, change: str, activation: str, batch_size: int = 64, **network: Any) -> Question:
    return Question(name, depth, {"activation": activation, "batch_size": batch_size, "eps": 1e-3, **network}, change)


def residual(name: str, depth: int, change: str, activation: str, lr: float, **evidence: Any) -> Question:
    given = {**MOMENTS, **({"lr": lr} if activation == "relu" else evidence)}
    return Question(name, depth, {"activation": activation}, change, RESIDUAL_NETWORKS, given, lr)


QUESTIONS = (
    batchnorm("tanh, gamma 1.4, smaller gamma", 60, "gamma", "tanh", 32, gamma=1.4),
    batchnorm("tanh, gamma 1.4, larger eps", 60, "eps", "tanh", 32, gamma=1.4),
    batchnorm("tanh, gamma 2", 40, "gamma", "tanh", 32, gamma=2.0),
    batchnorm("tanh, larger batches", 64, "batch_size", "tanh", 8),
    batchnorm("relu, larger beta", 50, "beta", "relu"),
    batchnorm("relu, beta 0.5, larger beta", 70, "beta", "relu", 32, beta=0.5),
    batchnorm("relu, larger batches", 28, "batch_size", "relu", 8),
    batchnorm("relu, collapsed by eps", 28, "eps", "relu", eps=0.356),
    batchnorm("relu, collapsed by gamma", 28, "gamma", "relu", gamma=0.05),
    batchnorm("tanh, above the critical eps", 40, "eps", "tanh", eps=1.6),
    batchnorm("tanh, above the critical eps, larger gamma", 50, "gamma", "tanh", eps=1.25),
    batchnorm("relu, beta 2, above the critical eps", 40, "eps", "relu", beta=2.0, eps=2.0),
    batchnorm("gelu, larger beta", 60, "beta", "gelu"),
    residual("relu, lr 1e-4, all beta", 60, "beta (all four)", "relu", 1e-4),
    residual("relu, lr 1e-4, beta of the weights", 40, "beta_w = beta_v", "relu", 1e-4),
    residual("relu, lr 1e-4, blocks scaled by depth", 80, "depth_scaling_v = depth_scaling_a", "relu", 1e-4),
    residual("relu, lr 1e-3, all beta", 30, "beta (all four)", "relu", 1e-3),
    residual("relu, lr 1e-3, beta of w and b", 20, "beta_w = beta_b", "relu", 1e-3),
    residual("tanh, gradients at most e^3", 60, "beta (all four)", "tanh", 1e-3, quantity="chi", level=3.0),
    residual("tanh, gradients at most e^2", 40, "beta_w = beta_v", "tanh", 1e-3, quantity="chi", level=2.0),
)


def asked(question: Question) -> dict[str, Any]:
    """The question, and what is advised."""
    record = question.answer(question.network)
    change = next(one for one in record["advice"] if one["parameter"] == question.change)
    if change["recommended"] is None:
        raise RuntimeError(f"{question.name}: nothing is recommended")
    value = change["recommended"]["value"]
    advised = {**question.network, **dict.fromkeys(change.get("changes", [question.change]), value)}
    again = question.answer(advised)
    return {
        "name": question.name,
        "arch": question.arch,
        "depth": question.depth,
        "evidence": question.evidence,
        "parameter": question.change,
        "replaced": {"network": question.network, "verdict": record["verdict"]},
        "advised": {"network": advised, "value": value, "verdict": again["verdict"]},
        "margin": again["predicted"].get("margin"),
    }


def trained(question: Question, network: Mapping[str, Any]) -> dict[str, Any]:
    """Test accuracies of the seeds; a network that diverged has none and counts as chance."""
    content = train_tile(question.training(network), device="cpu")["content"]
    chance = float(content["data"]["chance"])
    cells = content["cells"]
    accuracy = [chance if cell["test_accuracy"] is None else float(cell["test_accuracy"]) for cell in cells]
    spread = statistics.stdev(accuracy) / len(accuracy) ** 0.5
    return {
        "accuracy": accuracy,
        "mean": statistics.fmean(accuracy),
        "half_interval": float(stats.t.ppf(0.975, len(accuracy) - 1)) * spread,
        "outcomes": [cell["outcome"] for cell in cells],
        "chance": chance,
    }


def at_chance(result: Mapping[str, Any]) -> bool:
    """Whether nothing was learnt."""
    return bool(result["mean"] < result["chance"] + NOTHING * (1 - result["chance"]))


def worse(row: Mapping[str, Any]) -> bool:
    """Whether the advised setting does worse than the one it replaces, beyond that one's interval."""
    return bool(row["advised"]["mean"] < row["replaced"]["mean"] - row["replaced"]["half_interval"])


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| asked | depth | parameter | now | advised | margin | accuracy now | advised |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        old, new = row["replaced"], row["advised"]
        names = row["parameter"]
        before = {
            old["network"].get(key, UNLESS_GIVEN.get(key, 0))
            for key in new["network"]
            if old["network"].get(key) != new["network"][key]
        }
        shown = ", ".join(f"{value:g}" for value in sorted(before))
        margin = "" if row["margin"] is None else f"{row['margin']:.2f}"
        lines.append(
            f"| {row['arch']}: {row['name']} | {row['depth']} | {names} | {shown} | {new['value']:g} | {margin} |"
            f" {old['mean']:.3f} ± {old['half_interval']:.3f} | {new['mean']:.3f} ± {new['half_interval']:.3f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/advised-settings"), help="a file for each setting")
    parser.add_argument("--only", nargs="*", help="names of questions")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    rows = []
    for place, question in enumerate(QUESTIONS):
        if options.only and question.name not in options.only:
            continue
        row = asked(question)
        for which in ("replaced", "advised"):
            file = options.runs / f"{place:02d}-{which}.json"
            training = question.training(row[which]["network"])
            known = json.loads(file.read_text()) if file.exists() else {}
            if known.get("training") != training:
                known = {"training": training, "result": trained(question, row[which]["network"])}
                file.write_text(json.dumps(known, indent=1) + "\n")
            row[which] |= known["result"]
        rows.append(row)
        print(table([row]).splitlines()[-1], "WORSE" if worse(row) else "", flush=True)
    if not options.only:
        training = {"width": WIDTH, "lr": LR, "steps": STEPS, "residual": RESIDUAL, **DATA}
        RESULTS.write_text(json.dumps({"training": training, "questions": rows}, indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(table(rows))


if __name__ == "__main__":
    main()
