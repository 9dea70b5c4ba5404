"""Fig. 4: slopes that are known are found, the sentences follow from them, and the experiment runs to its page."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.figures.trained import bn_fig4
from phasemap.sweeps.figures.trained.layer_slopes import LayerSeries, mean, predicted_slope, series, slope
from phasemap.sweeps.report.draw import draw
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.result import write
from phasemap.theory.errors import InputError
from phasemap.train.parameters import normalise

DEPTH, RATE = 40, 0.5 * math.log(1.4797)  # relu at batch size 128, eps 1e-3


def made_up(flat_from: int, seeds: int = 3) -> dict[str, Any]:
    """Content in which gradients grow by RATE a layer, and the first step outweighs the first ``flat_from`` layers."""
    lr = 1e-3
    point = normalise({"depth": DEPTH, "batch_size": 128, "lr": lr, "steps": 2, "monitor": "step"})
    height = RATE * (DEPTH - np.arange(1, DEPTH + 1))
    threshold = RATE * (DEPTH - flat_from - 0.5)
    cells = []
    for seed in range(seeds):
        noise = 1e-3 * seed * np.arange(DEPTH)
        gradient = height - threshold - math.log(lr)
        taken = np.maximum(height - threshold, 0)
        monitor = {
            "step": [0, 1],
            "layer": [str(layer) for layer in range(1, DEPTH + 1)],
            "log_weight": [[0.0] * DEPTH, taken.tolist()],
            "log_weight_gradient": [gradient.tolist(), gradient.tolist()],
            "log_output_gradient": [(height + noise).tolist(), (height - 2 * taken + noise).tolist()],
        }
        cells.append(
            {
                "parameters": {**point, "seed": seed},
                "seed": seed,
                "outcome": "finished",
                "steps": 2,
                "sum_lr": 0.2,
                "monitor": monitor,
            }
        )
    return {
        "parameters": point,
        "dtype": "float64",
        "data": {"name": "made up", "train_size": 9, "test_size": 3},
        "cells": cells,
    }


def only(content: dict[str, Any]) -> LayerSeries:
    (one,) = series([content])
    return one


def test_slopes_are_per_layer_towards_the_input_with_students_interval() -> None:
    values = np.stack([3 - 0.2 * np.arange(9), 1 - 0.4 * np.arange(9)])
    found = slope(values)
    assert found.value == pytest.approx(0.3)
    assert found.low is not None
    assert found.high is not None
    # two values .2 and .4: standard error .1, and t(.975, 1) = tan(.95·π/2)
    assert found.high - found.value == pytest.approx(0.1 * math.tan(0.95 * math.pi / 2))
    assert mean(np.array([0.5])).low is None


def test_theorys_slope_is_half_the_logarithm_of_the_squared_rate() -> None:
    found = predicted_slope(only(made_up(20)).parameters)
    assert found == pytest.approx(RATE, abs=1e-4)
    residual = normalise({"architecture": "resnet", "depth": 3, "lr": 0.1, "steps": 1})
    assert predicted_slope(residual) is None


def test_the_layers_that_the_first_step_outweighs_are_counted() -> None:
    for count in (0, 20, DEPTH):
        assert bn_fig4.outweighed(only(made_up(count))) == count
    assert bn_fig4.taken_over(only(made_up(3))) is None


def test_sentences_follow_from_the_numbers() -> None:
    rows = bn_fig4.rows(only(made_up(20)))
    assert [row.holds for row in rows] == ["yes", "yes", "yes", "no", "yes"]  # the last 20 layers still explode
    assert "0.196" in rows[1].measured
    few = bn_fig4.rows(only(made_up(2)))
    assert [row.holds for row in few] == ["yes", "yes", "open", "open", "open"]
    alone = bn_fig4.rows(only(made_up(20, seeds=1)))
    assert [row.holds for row in alone] == ["yes", "open", "open", "no", "open"]
    flat, still = made_up(20), made_up(20)
    for cell in flat["cells"]:
        gradient = cell["monitor"]["log_output_gradient"][1]
        gradient[20:] = [gradient[20]] * (DEPTH - 20)
    assert [row.holds for row in bn_fig4.rows(only(flat))] == ["yes"] * 5
    for cell in still["cells"]:  # weights that do not move, gradients that go on exploding
        cell["monitor"]["log_weight"][1] = [0.01 * (-1) ** layer for layer in range(DEPTH)]
        cell["monitor"]["log_output_gradient"][1] = cell["monitor"]["log_output_gradient"][0]
    assert [row.holds for row in bn_fig4.rows(only(still))] == ["yes", "yes", "no", "no", "no"]


def test_settings_are_told_apart_and_seeds_put_together() -> None:
    deeper = copy.deepcopy(made_up(20))
    for cell in deeper["cells"]:
        cell["parameters"]["lr"] = 0.5
    found = series([made_up(20), deeper])
    assert [one.seeds for one in found] == [(0, 1, 2), (0, 1, 2)]
    exhibit = bn_fig4.exhibit([made_up(20), deeper])
    assert list(exhibit.figures) == ["", "-2"]
    assert "outweighs" in exhibit.verdict


def test_what_was_not_recorded_is_said() -> None:
    content = made_up(20)
    for cell in content["cells"]:
        del cell["monitor"]
    with pytest.raises(InputError, match="set monitor"):
        series([content])


def test_a_norm_that_does_not_exist_leaves_a_gap() -> None:
    content = made_up(20)
    content["cells"][0]["monitor"]["log_weight"][1][4] = None
    assert np.isnan(only(content).log["weight"][0, 1, 4])
    bn_fig4.exhibit([content])


@pytest.mark.slow
def test_the_experiment_runs_to_its_page(tmp_path: Path) -> None:
    """In this process: planned, trained, stored and drawn, as `phasemap run` does it with a worker."""
    experiment, out = load("bn-fig4", "smoke"), Folder(tmp_path / "fig4")
    planned = plan(experiment, at_work=["cpu"], trainer=TRAIN_ROOM)
    out.claim(experiment, planned.manifest)
    for tile in planned.tiles:
        result = TRAIN_ROOM.train(tile.parameters, data_dir=None, device="cpu", progress=lambda state: None)
        write(out.result_file(tile.key), result)
    page = draw([str(out.path)], out=None).read_text()
    assert "against the paper" in page
    summary = json.loads(page.split('id="summary">')[1].split("</script>")[0])
    assert summary["figure"] == "figures/bn-fig4.png"
    names = {"bn-fig4.png", "bn-fig4.pdf", "bn-fig4-2.png", "bn-fig4-2.pdf"}
    assert {file.name for file in (out.path / "figures").iterdir()} == names
