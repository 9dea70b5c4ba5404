"""Experiment files: tiles, overrides, and every mistake at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from phasemap.sweeps.experiments.experiment import EXPERIMENTS, available, from_text, load
from phasemap.sweeps.experiments.overrides import presets_of
from phasemap.theory.errors import InputError
from phasemap.train.cells import cells

MINE = """\
method: grid
parameters:
  depth:
    value: [2, 3]
  batch_size: {values: [8, 16]}
  lr: {value: 1e-2}
  steps: {value: 5}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def messages(*arguments: object, **options: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        load(*arguments, **options).tiles()  # type: ignore[arg-type]
    return caught.value.messages


def test_values_make_tiles_and_a_list_under_value_is_stacked(mine: Path) -> None:
    tiles = load(str(mine)).tiles()
    assert [tile["batch_size"] for tile in tiles] == [8, 16]
    assert [[cell["depth"] for cell in cells(tile)] for tile in tiles] == [[2, 3], [2, 3]]
    assert tiles[0]["lr"] == 0.01


def test_several_values_axes_form_their_product(mine: Path) -> None:
    tiles = load(str(mine), settings=["width=[4, 6]", "activation=[relu, tanh]"]).tiles()
    assert [(t["batch_size"], t["width"], t["activation"]) for t in tiles] == [
        (b, w, a) for b in (8, 16) for w in (4, 6) for a in ("relu", "tanh")
    ]


def test_a_list_keeps_the_kind_of_the_file_and_else_is_stacked_where_it_can_be(mine: Path) -> None:
    entries = load(str(mine), settings=["batch_size=[4]", "depth=[7]", "seed=[0, 1]", "lr=[0.1, 0.2]"]).document
    kinds = {name: next(iter(entry)) for name, entry in entries["parameters"].items()}
    assert kinds == {"batch_size": "values", "depth": "value", "seed": "value", "lr": "value", "steps": "value"}


def test_one_of_an_exclusive_pair_takes_the_other_away() -> None:
    parameters = load("bn-fig3a", settings=["lr=0.1", "steps=7"]).parameters
    assert "lr_per_sample" not in parameters
    assert "epochs" not in parameters
    assert "lr" not in load("bn-fig3a", "quick", ["lr_per_sample=1e-3"]).parameters


def test_null_takes_a_parameter_away(mine: Path) -> None:
    assert "depth" not in load(str(mine), settings=["depth=null"]).parameters


def test_the_paper_scale_of_figure_3a() -> None:
    tiles = load("bn-fig3a").tiles()
    assert [tile["batch_size"] for tile in tiles] == [8, 16, 32, 64, 128, 256, 512, 1000]
    for tile in tiles:
        assert tile["depth"] == list(range(5, 101, 5))
        assert (tile["width"], tile["activation"], tile["dataset"]) == (384, "relu", "mnist")
        assert (tile["gamma"], tile["beta"], tile["eps"], tile["optimizer"]) == (1.0, 0.0, 1e-3, "sgd")
        assert tile["lr"] == pytest.approx(1e-5 * tile["batch_size"])
        assert tile["epochs"] * (60_000 // tile["batch_size"]) * tile["lr"] == pytest.approx(6, rel=0.02)


@pytest.mark.parametrize("name", available())
def test_every_experiment_and_preset_is_valid_and_explains_itself(name: str) -> None:
    path = available()[name]
    assert path.read_text().startswith("# ")
    assert {"Cost:", "Expect:"} <= set(path.read_text().split())
    for preset in ("paper", *presets_of(path)):
        experiment = load(name, preset)
        tiles = experiment.tiles()
        assert all(tile["experiment"] == name for tile in tiles)
        again = from_text(experiment.text(), name=name, preset=preset, source="again")
        assert again.tiles() == tiles


@pytest.mark.parametrize("name", available())
def test_every_experiment_keeps_to_the_schema_of_wandb_sweeps(name: str) -> None:
    """The rules of W&B's schema for a grid, restated: top-level keys, and one kind of entry per parameter."""
    document = yaml.safe_load(available()[name].read_text())
    allowed = {"program", "command", "project", "entity", "name", "description", "method", "metric", "parameters"}
    assert set(document) <= allowed
    assert document["method"] == "grid"
    assert document["program"] == "phasemap"
    assert document["command"] == ["${env}", "${program}", "train", "${args_json}"]
    assert set(document["metric"]) == {"name", "goal"}
    for entry in document["parameters"].values():
        assert len(entry) == 1
        assert "value" in entry or (isinstance(entry["values"], list) and entry["values"])


def test_a_larger_data_set_brings_its_sizes_unless_told_otherwise() -> None:
    parameters = load("bn-fig3a", "quick", ["dataset=mnist"]).parameters
    assert (parameters["train_size"], parameters["test_size"]) == (10_000, 2000)
    assert load("bn-fig3a", "quick", ["dataset=mnist", "train_size=500"]).parameters["train_size"] == 500
    assert "train_size" not in load("bn-fig3a", "quick").parameters


def test_unknown_experiment_names_the_nearest() -> None:
    (found,) = messages("bn-fig3")
    assert found.startswith("unknown experiment 'bn-fig3'; did you mean bn-fig3")
    assert "no such file" in messages("nowhere.yaml")[0]


def test_misspelt_settings_and_preset_are_told_together() -> None:
    found = messages("bn-fig3a", "quik", ["widht=3", "depth", "seed=[1"])
    assert found[0] == "bn-fig3a: unknown preset 'quik': expected one of quick, smoke, paper"
    assert found[1].startswith("--set widht=3: unknown parameter 'widht'; did you mean width")
    assert found[2] == "--set depth: expected key=value"
    assert found[3].startswith("--set seed=[1")
    assert len(found) == 4


@pytest.mark.parametrize(("settings", "told"), [([], False), (["dataset=mnits"], True)])
def test_of_an_unknown_preset_the_data_of_the_whole_grid_is_not_asked_for(settings: list[str], told: bool) -> None:
    found = load("bn-fig3a", "quik", settings)
    assert bool(found.told(["dataset: MNIST cannot be had by download"])) is told
    assert bool(found.checked()[1][1:]) is told
    assert load("bn-fig3a", "quick").told(["dataset: no"])


def test_every_mistake_of_the_tiles_is_told_once_with_its_place(mine: Path) -> None:
    mine.write_text(MINE.replace("[2, 3]", "[0, 3]").replace("[8, 16]", "[2, 8, 16]") + "  widht: {value: 3}\n")
    found = messages(str(mine))
    assert f"{mine}:3: depth: 0: expected at least 1" in found
    assert f"{mine}:5: batch_size: 2: expected at least 3" in found
    assert f"{mine}:8: unknown parameter 'widht'; did you mean width or widths?" in found
    assert len(found) == 3


def test_a_setting_is_blamed_for_its_mistake() -> None:
    assert messages("bn-fig3a", settings=["depth=0"]) == ("--set: depth: 0: expected at least 1",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("method: grid\nparameters: [1, 2\nx: 1\n", "mine.yaml:3: not valid YAML"),
        ("a: b: c\n", "mine.yaml:1: not valid YAML"),
        ("just a text\n", "expected a sweep file"),
        ("method: bayes\nparameters: {depth: {value: 3}}\n", "method: 'bayes': write \"method: grid\""),
        ("parameters: {depth: {value: 3}}\n", 'mine.yaml: method: is missing: add "method: grid"'),
        ("method: grid\nparameters: {}\n", "at least one parameter"),
        ("method: grid\nparameters: {depth: 3}\n", 'mine.yaml:2: depth: 3: write "value: 3"'),
        ("method: grid\nparameters: {width: [8, 16]}\n", 'mine.yaml:2: width: [8, 16]: write "values: [8, 16]"'),
        ("method: grid\nparameters: {width: {value: [8, 16]}}\n", 'of this parameter: write "values: [8, 16]"'),
        ("method: grid\nparameters: {depth: [2]}\n", 'write "values: [2]", or "value: [2]" for a stacked axis'),
        ("method: grid\nparameters: {dtype: float32}\n", 'write "value: float32"'),
        ("method: grid\nparameters: {width: [2020-01-01]}\n", 'write "values: ['),
        ("method: grid\nparameters: {lr: {values: 0.1}}\n", 'lr: values: 0.1: write "value: 0.1"'),
        ("method: grid\nparameters: {lr: {values: [1], value: 1}}\n", "value and values: one of them"),
        ("method: grid\nparameters: {depth: {values: []}}\n", "at least one value"),
        ("method: grid\nparameters: {depth: {values: [[1], 2]}}\n", "expected scalars"),
        ("method: grid\nparameters: {depth: {values: [1, 1]}}\n", "a value stands twice"),
        ("method: grid\nparameters: {depth: {min: 1, max: 3}}\n", 'a grid has no ranges: write "values: [1, 3]"'),
        ("metod: grid\nparameters: {depth: {value: 1}}\n", "unknown key 'metod'; did you mean method?"),
    ],
)
def test_malformed_files(mine: Path, text: str, expected: str) -> None:
    mine.write_text(text)
    assert any(expected in message for message in messages(str(mine)))


def test_unreadable_files(mine: Path, tmp_path: Path) -> None:
    mine.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in messages(str(mine))[0]
    (tmp_path / "folder.yaml").mkdir()
    assert "no such file" in messages(str(tmp_path / "folder.yaml"))[0]


def test_no_yaml_object_is_constructed(mine: Path) -> None:
    mine.write_text("method: !!python/object/apply:os.getcwd []\nparameters: {depth: {value: 1}}\n")
    assert "not valid YAML" in messages(str(mine))[0]


def test_two_tiles_of_one_training_are_a_mistake(mine: Path) -> None:
    mine.write_text(MINE + "  metric: {values: [test_accuracy, test_loss]}\n")
    assert any("two tiles are the same training" in message for message in messages(str(mine)))


def test_the_presets_file_names_only_experiments_that_exist() -> None:
    presets = yaml.safe_load((EXPERIMENTS / "presets.yaml").read_text())
    assert set(presets["experiments"]) <= set(available())
