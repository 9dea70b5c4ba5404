"""A comparison says first what the maps differ in, beside their accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.sweeps.comparison.differences import differences
from tests.sweeps.synthetic import a_map

SIZES = (16, 64)
CHANGES: Mapping[str, tuple[Any, str, str]] = {
    "activation": ("tanh", "relu", "tanh"),
    "width": (96, "128", "96"),
    "lr": (0.1, "0.01", "0.1"),
    "optimizer": ("rmsprop", "sgd", "rmsprop"),
    "gamma": (2.0, "1.0", "2.0"),
    "train_bn": (False, "true", "false"),
    "dataset": ("mnist", "digits", "mnist"),
    "train_size": (100, "-", "100"),
    "seed": ([0, 1], "0, 1, 2", "0, 1"),
    "depth": ([5, 10], "5 to 60 (12 values)", "5, 10"),
}


def rows(lines: list[str]) -> dict[str, list[str]]:
    return {line.split("  ")[0]: [part.strip() for part in line.split("  ") if part.strip()][1:] for line in lines[1:]}


@settings(max_examples=25)
@given(st.sets(st.sampled_from(sorted(CHANGES)), min_size=1))
def test_every_difference_is_a_row_and_nothing_else(names: set[str]) -> None:
    maps = {"A": a_map(SIZES), "B": a_map(SIZES, **{name: CHANGES[name][0] for name in names})}
    found = rows(differences(maps))
    expected = {"seeds" if name == "seed" else name: list(CHANGES[name][1:]) for name in names}
    assert found == expected


def test_maps_that_differ_in_nothing() -> None:
    assert differences({"A": a_map(SIZES), "B": a_map(SIZES)}) == [
        "The maps differ in no parameter, nor in data, dtype or seeds."
    ]


def test_data_and_dtype_and_other_axes() -> None:
    one = a_map(SIZES)
    other = a_map((8, 16)).assign_attrs(dtype="float64", data="mnist, 100 training and 20 test samples, digest ab")
    found = rows(differences({"A": one, "B": other, "C": one}))
    assert found["batch_size"] == ["16, 64", "8, 16", "16, 64"]
    assert found["dtype"] == ["float32", "float64", "float32"]
    assert found["data"][1].startswith("mnist, 100")
    assert "statistics_batch_size" not in found


@pytest.mark.parametrize("suffix", [".pdf", ".svg", ".PNG"])
def test_the_pictures_suffix_is_its_format(suffix: str, tmp_path: Any) -> None:
    from matplotlib.figure import Figure

    from phasemap.sweeps.figures.style import save_named

    figure = Figure()
    figure.add_subplot().plot([1, 2])
    (path,) = save_named(figure, tmp_path / f"x{suffix}")
    begins = {".pdf": b"%PDF", ".svg": b"<?xml", ".PNG": b"\x89PNG"}[suffix]
    assert path.read_bytes().startswith(begins)
    assert path.read_bytes() == save_named(figure, tmp_path / f"y{suffix}")[0].read_bytes()
    assert [one.name for one in save_named(figure, tmp_path / "z")] == ["z.png", "z.pdf"]
