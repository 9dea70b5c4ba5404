"""Residual networks as the table of parameters has them: each cell is scaled by its own depth."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from phasemap.models.residual import ResidualStack
from phasemap.theory.residual.widths import gradient_growth_rate, parse_widths
from phasemap.train.cells import cells
from phasemap.train.families.residual import FAMILY, residual_widths
from phasemap.train.parameters import normalise
from phasemap.train.tile import train_tile

BASE: dict[str, Any] = {
    "architecture": "resnet",
    "activation": "relu",
    "widths": "8",
    "depth": [2, 4],
    "batch_size": 16,
    "train_size": 200,
    "lr": 0.01,
    "steps": 5,
}


def stack(**changes: Any) -> ResidualStack:
    points = cells(normalise({**BASE, **changes}))
    built = FAMILY.build(points, inputs=5, classes=3, dtype=torch.float64)
    assert isinstance(built, ResidualStack)
    return built


def test_a_tile_scales_each_cell_by_its_own_depth() -> None:
    plain = stack()
    scaled = stack(depth_scaling_v=1.0, depth_scaling_a=[0.0, 0.5], depth_scaling_w="@depth_scaling_a")
    assert [plain.depths, scaled.depths] == [[4, 2], [4, 4, 2, 2]]
    for layer in range(2):
        for member, (depth, other) in enumerate(((4, 0.0), (4, 0.5), (2, 0.0), (2, 0.5))):
            for letter, delta in (("v", 1.0), ("a", other), ("w", other), ("b", 0.0)):
                found, without = getattr(scaled, letter)[layer][member], getattr(plain, letter)[layer][member // 2]
                torch.testing.assert_close(found, without * depth ** (-delta / 2), rtol=1e-13, atol=0)


def test_a_width_schedule_counts_with_the_scaled_sigmas() -> None:
    schedule = "4096/exp(A)@n^2"
    (point,) = cells(normalise({**BASE, "depth": 16, "widths": schedule, "depth_scaling_v": 1.0, "sigma_w": 1.5}))
    rate = gradient_growth_rate(1 / 4, 1.5, 1.0)
    assert residual_widths(point) == parse_widths(schedule, 16, rate=rate)
    assert residual_widths(point) != parse_widths(schedule, 16, rate=gradient_growth_rate(1.0, 1.5, 1.0))


def test_the_neutral_value_is_the_same_training() -> None:
    plain, neutral = (train_tile({**BASE, **given})["content"] for given in ({}, {"depth_scaling_v": 0.0}))
    assert not any("depth_scaling" in name for one in (plain, *plain["cells"]) for name in one["parameters"])
    for one, other in zip(plain["cells"], neutral["cells"], strict=True):
        assert other["parameters"] == {**one["parameters"], "depth_scaling_v": 0.0}
        assert {**other, "parameters": None} == {**one, "parameters": None}


@pytest.mark.parametrize("delta", [0.0, 1.0])
def test_deep_networks_diverge_and_scaled_ones_train(delta: float) -> None:
    """80 ReLU blocks: log p is 34 unscaled, far above the level where SGD diverges at this rate, and 1.3 scaled."""
    scaling = {"depth_scaling_v": delta, "depth_scaling_a": delta}
    (cell,) = train_tile({**BASE, "depth": 80, "lr": 1e-3, "steps": 20, **scaling})["content"]["cells"]
    assert cell["outcome"] == ("finished" if delta else "diverged")
