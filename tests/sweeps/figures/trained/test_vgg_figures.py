"""Figs. 7 to 9: medians, best and default values, spreads and sentences from made-up runs; a smoke run to its page."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.execution.trainer import TRAIN_ROOM
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.figures.trained import bn_fig7, bn_fig8
from phasemap.sweeps.figures.trained.layer_slopes import series
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.report.draw import draw
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.result import write
from phasemap.theory.errors import InputError
from phasemap.train.cells import cells
from phasemap.train.parameters import TABLE, normalise
from tests.sweeps.synthetic import PROVENANCE

BASE: dict[str, Any] = {"architecture": "vgg19-bn", "lr": 0.1, "epochs": 3, "momentum": 0.9}
LAYERS = ["features.0", "features.1", "features.3", "features.4", "features.7", "features.8", "head"]


def accuracy(lr: float, beta: float, eps: float, seed: int, epoch: int) -> float:
    """β > 0 and a large ε help early; seed 2 is an outlier that a mean would follow and a median does not."""
    return 0.1 * epoch + lr + (0.2 * beta + 0.1 * (eps > 0.01)) / epoch + (5 if seed == 2 else 0.001 * seed)


def made_up(seeds: int = 3, lrs: tuple[float, ...] = (0.01, 0.1)) -> list[dict[str, Any]]:
    contents = []
    for lr, beta, eps, seed in itertools.product(lrs, (0.0, 1.0), (1e-5, 0.1), range(seeds)):
        point = normalise({**BASE, "lr": lr, "beta": beta, "eps": eps, "seed": seed})
        scores = [accuracy(lr, beta, eps, seed, epoch) for epoch in (1, 2, 3)]
        epochs = {"epoch": [1.0, 2.0, 3.0], "train_accuracy": scores, "test_accuracy": [s / 2 for s in scores]}
        cell = {"parameters": point, "seed": seed, "outcome": "finished", "steps": 2, "sum_lr": 0.2, "epochs": epochs}
        contents.append(
            {
                "parameters": point,
                "dtype": "float32",
                "data": {"name": "x", "train_size": 9, "test_size": 3, "chance": 0.1},
                "cells": [cell],
            }
        )
    return contents


def test_each_combination_has_its_median() -> None:
    found = bn_fig8.rates(made_up())
    assert (found.lr, found.beta, found.eps, found.seeds) == ((0.01, 0.1), (0.0, 1.0), (1e-5, 0.1), (3, 3))
    assert found.median["train_accuracy"][1, 1, 0, 2] == pytest.approx(accuracy(0.1, 1.0, 1e-5, 1, 3))


def test_what_is_not_shown_is_at_its_best_or_at_its_default() -> None:
    found = bn_fig8.rates(made_up())
    for lr, beta in itertools.product(range(2), range(2)):
        rates, betas = found.lr[lr], found.beta[beta]
        best, default = (found.map("train_accuracy", "beta", 0, best=b)[beta, lr] for b in (True, False))
        assert best == pytest.approx(accuracy(rates, betas, 0.1, 1, 1))
        assert default == pytest.approx(accuracy(rates, betas, 1e-5, 1, 1))
    over_eps = found.map("test_accuracy", "eps", 2, best=False)
    assert over_eps[1, 0] == pytest.approx(accuracy(0.01, 0.0, 0.1, 1, 3) / 2)


def test_what_was_not_run_is_left_open_and_a_diverged_network_is_at_chance() -> None:
    contents = [c for c in made_up() if c["parameters"]["lr"] == 0.1 or c["parameters"]["beta"] == 0.0]
    for content in contents:
        if content["parameters"]["lr"] == 0.1:
            content["cells"][0]["epochs"]["test_accuracy"] = [None] * 3
    found = bn_fig8.rates(contents)
    assert np.isnan(found.map("train_accuracy", "beta", 0, best=True)[1, 0])
    assert (found.map("test_accuracy", "beta", 0, best=True)[:, 1] == 0.1).all()
    bn_fig8.best_exhibit(contents)


def test_acceleration_is_judged_at_the_start_and_needs_seeds() -> None:
    row = bn_fig8.sentence(bn_fig8.rates(made_up()), "Fig. 8")
    assert row.holds == "yes"
    assert "+0.300 after epoch 1" in row.measured
    assert "+0.100 after epoch 3" in row.measured
    assert bn_fig8.sentence(bn_fig8.rates(made_up(seeds=1)), "Fig. 8").holds == "open"
    for content in (worse := made_up()):
        cell = content["cells"][0]
        if cell["parameters"]["beta"] or cell["parameters"]["eps"] > 0.01:
            cell["epochs"]["train_accuracy"] = [0.0, 0.0, 0.0]
    assert bn_fig8.sentence(bn_fig8.rates(worse), "Fig. 8").holds == "no"


def test_networks_without_scores_are_refused() -> None:
    content = {"data": {"chance": 0.1}, "cells": [{"parameters": {}, "seed": 0}]}
    with pytest.raises(InputError, match="epoch by epoch"):
        bn_fig8.rates([content])
    other = made_up()
    other[0]["cells"][0]["epochs"]["epoch"] = [1.0, 2.0]
    with pytest.raises(InputError, match="different epochs"):
        bn_fig8.rates(other)
    with pytest.raises(InputError, match=r"two networks with lr 0.01, beta 0, eps 1e-05, seed 0"):
        bn_fig8.rates([*made_up(), *made_up(seeds=1)])


def monitored(spreads: list[float], seeds: int = 3) -> dict[str, Any]:
    """Relative gradients that fall by ``spread`` a layer at each epoch."""
    cells = []
    for seed in range(seeds):
        point = normalise({**BASE, "monitor": "epoch", "seed": seed})
        weight = [[float(place) for place in range(7)]] * len(spreads)
        gradient = [[place - spread * place + 0.01 * seed for place in range(7)] for spread in spreads]
        monitor = {
            "step": [5 * epoch for epoch in range(len(spreads))],
            "layer": LAYERS,
            "log_weight": weight,
            "log_weight_gradient": gradient,
            "log_output_gradient": gradient,
        }
        epochs = {key: [0.5] for key in ("epoch", *bn_fig7.SCORES)}
        cells.append(
            {
                "parameters": point,
                "seed": seed,
                "outcome": "finished",
                "steps": 2,
                "sum_lr": 0.2,
                "monitor": monitor,
                "epochs": epochs,
            }
        )
    return {
        "parameters": cells[0]["parameters"],
        "dtype": "float32",
        "data": {"name": "x", "train_size": 9, "test_size": 3},
        "cells": cells,
    }


def test_scales_stand_behind_their_convolutions_and_the_read_out_is_left_out() -> None:
    (one,) = series([monitored([1.0])])
    assert bn_fig7.scales(one) == [False, True] * 3
    assert bn_fig7.relative_gradients(one).shape == (3, 1, 6)


def test_the_spread_is_the_standard_deviation_over_the_layers() -> None:
    (one,) = series([monitored([1.0, 0.25])])
    found = bn_fig7.spread(bn_fig7.relative_gradients(one))
    assert found[0].value == pytest.approx(np.std(np.arange(6)))
    assert found[1].value == pytest.approx(np.std(np.arange(6)) / 4)


def test_weights_and_scales_are_told_apart() -> None:
    (one,) = series([monitored([1.0, 0.5])])
    weights, gammas = bn_fig7.kinds(one).values()
    np.testing.assert_allclose(weights[0, 0], [0, -2, -4])
    np.testing.assert_allclose(gammas[0, 0], [-1, -3, -5])
    assert [found.value for found in bn_fig7.gap(one)] == pytest.approx([1.0, 0.5])
    assert "W and γ are apart by a factor of 2.7 → 1.6" in bn_fig7.verdict(one)


@pytest.mark.parametrize(
    ("spreads", "holds"),
    [([1.0] * 11, ["yes", "no"]), ([1.0] * 10 + [0.1], ["yes", "yes"]), ([-1.0, 0.1], ["no", "open"])],
)
def test_equal_after_ten_epochs_is_a_number(spreads: list[float], holds: list[str]) -> None:
    exhibit = bn_fig7.exhibit([monitored(spreads)])
    assert [row.holds for row in exhibit.sentences] == holds
    assert "W and γ are apart by a factor of" in exhibit.verdict


def test_a_frozen_gamma_is_left_out_and_a_diverged_network_leaves_a_gap() -> None:
    frozen, diverged = monitored([1.0] * 11), monitored([1.0] * 11)
    for cell in frozen["cells"]:
        for step in cell["monitor"]["log_weight_gradient"]:
            step[1:6:2] = [None] * 3
    exhibit = bn_fig7.exhibit([frozen])
    assert exhibit.tables[0].header == ("epoch", "all layers", "W")
    assert exhibit.verdict.endswith("The γ were not trained.")
    diverged["cells"][0]["monitor"]["log_weight_gradient"][10] = [None] * 7
    exhibit = bn_fig7.exhibit([diverged])
    assert exhibit.tables[0].rows[9][1] != "–"
    assert exhibit.tables[0].rows[10][1:] == ("–",) * 4
    assert [row.holds for row in exhibit.sentences] == ["yes", "open"]
    assert "nan" not in exhibit.verdict


@pytest.mark.parametrize("preset", ["smoke", "quick", "paper"])
def test_figures_8_and_9_are_the_same_trainings(preset: str) -> None:
    eight, nine = (load(name, preset).document["parameters"] for name in ("bn-fig8", "bn-fig9"))
    assert {name for name in {*eight, *nine} if eight.get(name) != nine.get(name)} == {"experiment", "picture"}
    assert not any(TABLE[name].identity for name in ("experiment", "picture"))


def test_figure_9_is_drawn_in_the_folder_of_figure_8_without_training(tmp_path: Path) -> None:
    out = Folder(tmp_path / "rates")
    eight = load("bn-fig8", "smoke")
    planned = plan(eight, at_work=["cpu"], trainer=TRAIN_ROOM)
    out.claim(eight, planned.manifest)
    scored = made_up(seeds=1)[0]["cells"][0]["epochs"]
    for tile in planned.tiles:
        losses = dict.fromkeys(("train_loss", "test_loss"), [1.0] * len(scored["epoch"]))
        numbers = {**dict.fromkeys(ACCURACIES, 0.5), "train_loss": 1.0, "test_loss": 1.0, "sum_lr": 0.2, "steps": 2}
        rest = {"outcome": "finished", "diverged_at": None, "history": {"step": [2], "loss": [1.0]}}
        made = {
            "semantics": 1,
            "parameters": tile.parameters,
            "dtype": "float32",
            "data": {"name": "digits", "digest": "0", "train_size": 9, "test_size": 3, "chance": 0.1},
            "cells": [
                {"parameters": dict(cell), "seed": cell["seed"], "epochs": {**scored, **losses}, **numbers, **rest}
                for cell in cells(tile.parameters)
            ],
        }
        write(out.result_file(tile.key), {"content": made, "provenance": PROVENANCE})  # type: ignore[typeddict-item]
    nine = load("bn-fig9", "smoke")
    again = plan(nine, at_work=["cpu"], trainer=TRAIN_ROOM)
    out.claim(nine, again.manifest)
    scan = out.scan(1, again.manifest.keys)
    assert len(scan.results) == len(again.tiles)
    assert not scan.problems
    page = draw([str(out.path)], out=None).read_text()
    assert "at its default" not in page  # said in the picture
    assert "<h1>bn-fig9</h1>" in page
    assert (out.path / "figures" / "bn-fig9.png").is_file()
    other = load("bn-fig9", "smoke", ["steps=3"])
    manifest = plan(other, at_work=["cpu"], trainer=TRAIN_ROOM).manifest
    with pytest.raises(InputError, match="holds another experiment: steps"):
        out.claim(other, manifest)


@pytest.mark.slow
def test_figure_7_runs_to_its_page(tmp_path: Path) -> None:
    """Two steps of the real network, on the embedded data."""
    experiment, out = load("bn-fig7", "smoke"), Folder(tmp_path / "fig7")
    planned = plan(experiment, at_work=["cpu"], trainer=TRAIN_ROOM)
    out.claim(experiment, planned.manifest)
    for tile in planned.tiles:
        result = TRAIN_ROOM.train(tile.parameters, data_dir=None, device="cpu", progress=lambda state: None)
        assert result is not None
        write(out.result_file(tile.key), result)
    page = draw([str(out.path)], out=None).read_text()
    assert json.loads(page.split('id="summary">')[1].split("</script>")[0])["figure"] == "figures/bn-fig7.png"
    assert "recorded to epoch 0 only" in page
