"""What was measured by benchmarks/largest_learning_rate.py, and what code and page make of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from phasemap.sweeps.advice.levels import DIVERGES
from phasemap.theory.learning_rate.residual import STEP_LENGTHS
from tests import ROOT

RESULTS: dict[str, list[dict[str, Any]]] = json.loads(
    (ROOT / "benchmarks/results/largest_learning_rate.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", STEP_LENGTHS)
def test_step_lengths_are_those_of_the_networks(name: str) -> None:
    found = [row["median_step_length"] for row in RESULTS["edges"] if row["setting"]["activation"] == name]
    middle, low, high = STEP_LENGTHS[name]
    assert np.exp(np.mean(np.log(found))) == pytest.approx(middle, abs=0.05)
    assert (min(found), max(found)) == pytest.approx((low, high), abs=0.05)


def test_the_levels_of_the_failing_corner_are_predicted() -> None:
    """Within the intervals of what was fitted to the maps; and not by the curvature."""
    levels = RESULTS["levels"][0]["levels"]
    assert [row["lr"] for row in levels] == list(DIVERGES)
    for row in levels:
        _, low, high = DIVERGES[row["lr"]]
        assert low <= row["diverges"]["level"] <= high
        assert row["curvature"]["level"] < low


def test_the_page_has_these_numbers() -> None:
    page = (ROOT / "docs/learning-rate.md").read_text(encoding="utf-8")
    for row in RESULTS["edges"]:
        ends = [row["step_lengths"][0], row["step_lengths"][-1]]
        assert f"{row['median_step_length']:.1f} ({ends[0]:.1f} to {ends[1]:.1f}) | {row['lr/curvature']:.0f} |" in page
    for row in RESULTS["batch_norm"][:3]:
        kappas = [each["kappa"] for each in row["by_lr"].values()]
        for mean, error in kappas[1 if row["setting"]["steps"] == 38 else 0 :]:
            assert f"{mean:.1f} ± {error:.1f}" in page
    for row in RESULTS["levels"][0]["levels"]:
        assert f"**{row['diverges']['level']:.1f}**" in page
        assert f"| {row['curvature']['level']:.1f} |" in page
