"""The table of parameters: canonical values whatever the spelling, and every mistake at once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.theory.errors import InputError
from phasemap.train.cells import cells, identity, same_training
from phasemap.train.parameters import TABLE, normalise, stackable

BASE: dict[str, Any] = {"lr": 0.01, "steps": 10}


def messages(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(InputError) as caught:
        normalise({**BASE, **raw})
    return list(caught.value.messages)


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=5, unique=True),
    st.lists(st.floats(1e-12, 1e3), min_size=1, max_size=4, unique=True),
    st.booleans(),
)
def test_spelling_does_not_matter(depths: list[int], rates: list[float], train_bn: bool) -> None:
    typed = normalise({**BASE, "depth": depths, "lr": rates, "train_bn": train_bn})
    text = {"depth": json.dumps(depths), "lr": json.dumps([repr(r) for r in rates]), "train_bn": str(train_bn)}
    assert normalise({**text, "steps": "1e1"}) == typed
    assert normalise(typed) == typed
    assert len(cells(typed)) == len(depths) * len(rates)


def test_rate_per_sample_is_a_rate() -> None:
    per_sample = normalise({"lr_per_sample": "1e-05", "steps": 10, "batch_size": 96})
    assert per_sample == normalise({"lr": 0.00096, "steps": 10, "batch_size": 96})
    assert per_sample["statistics_batch_size"] == 96


def test_identity_leaves_out_the_picture() -> None:
    plain = normalise(BASE)
    assert identity(normalise({**BASE, "overlay": "none", "metric": "train_loss"})) == identity(plain)
    assert identity(normalise({**BASE, "seed": 1})) != identity(plain)


def test_cells_are_the_product_last_axis_fastest() -> None:
    points = cells(normalise({**BASE, "seed": [0, 1], "depth": [3, 2]}))
    assert [(p["depth"], p["seed"]) for p in points] == [(3, 0), (3, 1), (2, 0), (2, 1)]
    assert all(not isinstance(value, list) for p in points for value in p.values())


def test_every_mistake_is_named_at_once() -> None:
    raw = {"dept": 3, "depth": [0, 2, "x"], "batch_size": 2, "activation": "relo", "lr": "fast", "seed": [1, 1]}
    found = messages(raw)
    keys = ("dept", "depth: 0", "depth: 'x'", "activation", "batch_size", "lr", "seed")
    for key, line in zip(keys, found, strict=True):
        assert key in line
    assert "did you mean depth?" in found[0]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"depth": 2.5}, "depth: 2.5 is not a whole number"),
        ({"depth": True}, "depth: True is not a whole number"),
        ({"depth": []}, "depth: the list is empty"),
        ({"depth": "[1, 2"}, "not a list"),
        ({"width": [1, 2]}, "width: a list is not allowed here"),
        ({"eps": -1}, "eps: -1.0: expected at least 0"),
        ({"lr": float("nan")}, "not finite"),
        ({"lr": "inf"}, "not finite"),
        ({"width": None}, "width: null is not allowed"),
        ({"lr": None}, "lr, lr_per_sample: give exactly one"),
        ({"epochs": 3}, "epochs, steps: give exactly one"),
        ({"batch_size": 10, "statistics_batch_size": 4}, "4 does not divide batch_size 10"),
        ({"x_axis": "metric"}, "x_axis"),
        ({"x_axis": "depth"}, "both are 'depth'"),
        ({"dataset": "imagenet"}, "dataset: 'imagenet': expected one of digits"),
        ({"momentum": 1}, "momentum: 1.0: expected in [0, 1)"),
    ],
)
def test_bad_values(raw: dict[str, Any], words: str) -> None:
    (line,) = messages(raw)
    assert words in line
    assert "\n" not in line


def test_table_is_complete() -> None:
    assert all(row.help for row in TABLE.values())
    assert set(stackable()) >= {"depth", "seed", "lr", "gamma", "beta", "eps", "sigma_w"}


def test_a_reference_follows_another_parameter_cell_by_cell() -> None:
    swept = {"architecture": "resnet", "beta_w": [0.0, 0.5], "beta_b": "@beta_w", "depth": [2, 3]}
    points = cells(normalise({**BASE, **swept}))
    assert len(points) == 4
    assert all(p["beta_b"] == p["beta_w"] for p in points)
    assert normalise({**BASE, **swept, "beta_w": 0.5})["beta_b"] == 0.5


@pytest.mark.parametrize("reference", ["@width", "@nothing", "@depth"])
def test_bad_references(reference: str) -> None:
    (line,) = messages({"architecture": "resnet", "beta_b": reference})
    assert line.startswith(f"beta_b: {reference!r}: expected @")


def test_a_family_has_its_own_parameters_only() -> None:
    assert messages({"beta_w": 1.0}) == ["beta_w: architecture bn-mlp has no such parameter (only resnet has)"]
    assert "gamma" not in normalise({**BASE, "architecture": "resnet"})


def test_a_parameter_with_a_neutral_value_is_left_out_where_it_is_not_given() -> None:
    """So that results of before it was there keep their keys and their contents."""
    plain = {**BASE, "architecture": "resnet"}
    assert not any(name.startswith("depth_scaling") for name in normalise(plain))
    assert normalise({**plain, "depth_scaling_v": None, "depth_scaling_a": "@depth_scaling_v"}) == normalise(plain)
    given = normalise({**plain, "depth_scaling_v": "1", "depth_scaling_a": "@depth_scaling_v"})
    assert given == normalise(given) == {**normalise(plain), "depth_scaling_v": 1.0, "depth_scaling_a": 1.0}
    assert identity(given) != identity(normalise(plain))
    neutral = normalise({**plain, "depth_scaling_v": 0})
    assert neutral["depth_scaling_v"] == 0.0
    assert identity(neutral) == identity(normalise(plain))
    assert same_training(neutral) == same_training(normalise(plain)) != same_training(given)
    points = cells(
        normalise({**plain, "depth": [2, 3], "depth_scaling_v": [0, 0.5], "depth_scaling_w": "@depth_scaling_v"})
    )
    assert [(p["depth"], p["depth_scaling_v"], p["depth_scaling_w"]) for p in points] == [
        (2, 0.0, 0.0),
        (2, 0.5, 0.5),
        (3, 0.0, 0.0),
        (3, 0.5, 0.5),
    ]
    (line,) = messages({"architecture": "resnet", "depth_scaling_v": [None, 0.5]})
    assert line.startswith("depth_scaling_v: [None, 0.5] holds null")
    assert messages({"depth_scaling_v": 1.0}) == [
        "depth_scaling_v: architecture bn-mlp has no such parameter (only resnet has)"
    ]


def test_spaces_in_a_width_schedule_do_not_matter() -> None:
    spellings = ["64/2@4, 8", " 64 / 2 @ 4,8", "64/2@4,8"]
    found = [normalise({**BASE, "architecture": "resnet", "widths": widths})["widths"] for widths in spellings]
    assert found == ["64/2@4,8"] * 3
