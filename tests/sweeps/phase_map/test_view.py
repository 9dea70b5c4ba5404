"""Axes and fixed values that are chosen when a map is opened, of results in which more varies than a map shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phasemap as pm
from phasemap.command_line import main
from phasemap.sweeps.commands.export import export
from phasemap.sweeps.phase_map.reshaped import reshaped
from phasemap.sweeps.phase_map.view import View, view
from phasemap.sweeps.report.draw import draw
from phasemap.sweeps.sources.open_map import open_map
from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.key import tile_key
from phasemap.theory.errors import InputError
from phasemap.train.parameters import normalise
from tests.sweeps.fake_backend import fake_result

VALUES: dict[str, list[Any]] = {
    "depth": [5, 40],
    "lr": [0.01, 0.1, 1.0],
    "width": [8, 16],
    "batch_size": [8, 32],
    "seed": [0, 1],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Tiles that were trained one by one, with four parameters beside the seed."""
    made = Folder(tmp_path_factory.mktemp("home") / "singles")
    stacked = {name: VALUES[name] for name in ("depth", "lr", "seed")}
    for width in VALUES["width"]:
        for size in VALUES["batch_size"]:
            tile = normalise({**stacked, "width": width, "batch_size": size, "steps": 10})
            result = fake_result(tile)
            digest = result["content"]["data"]["digest"]
            key = tile_key(tile, dtype=result["content"]["dtype"], data_digest=digest, semantics=1)
            store.write(made.result_file(key), result)
    return str(made.path)


def test_without_a_choice_it_is_said_what_draws(folder: str) -> None:
    with pytest.raises(InputError) as raised:
        open_map([folder])
    (message,) = raised.value.messages
    assert "these vary too: width, lr; --fix width=8 --fix lr=0.01 draws one of several maps" in message
    assert "width: 8, 16; lr: 0.01, 0.1, 1.0" in message
    chosen = re.findall(r"--fix (\S+)", message)
    assert open_map([folder], view(None, None, chosen)).attrs["experiment"] == "singles, width=8, lr=0.01"


@settings(max_examples=40)
@given(st.permutations([name for name in VALUES if name != "seed"]), st.data())
def test_every_choice_is_the_map_of_those_networks(folder: str, names: list[str], data: st.DataObject) -> None:
    x, y, *others = names
    fixed = {name: data.draw(st.sampled_from(VALUES[name])) for name in others}
    found = open_map([folder], view(x, y, fixed))
    assert found["outcome"].dims == (y, x, "seed")
    assert [found[name].values.tolist() for name in (x, y, "seed")] == [VALUES[x], VALUES[y], VALUES["seed"]]
    assert (found["results"] == 1).all()
    assert int(found.attrs["unexpected"]) == 0
    assert all(found.attrs[name] == value for name, value in fixed.items())
    assert found.attrs["x_scale"] == ("log" if x == "lr" and (y, x) != ("batch_size", "depth") else "linear")
    swapped = open_map([folder], view(y, x, fixed))
    np.testing.assert_array_equal(swapped["test_accuracy"].transpose(y, x, "seed"), found["test_accuracy"])
    np.testing.assert_array_equal(reshaped(found, View(y, x))["outcome"].values, swapped["outcome"].values)


def test_one_axis_may_be_given_and_takes_the_other_ones_place(folder: str) -> None:
    fixed = {"width": 8, "lr": 0.1}
    assert open_map([folder], view("depth", None, fixed))["outcome"].dims[:2] == ("batch_size", "depth")
    assert open_map([folder], view(None, "batch_size", fixed))["outcome"].dims[:2] == ("batch_size", "depth")
    assert open_map([folder], view("lr", None, {"width": 8, "batch_size": 8}))["outcome"].dims[:2] == ("depth", "lr")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("learning_rate", None), "--x learning_rate: unknown axis 'learning_rate'; did you mean lr?"),
        (("depth", "depth"), "--x, --y: both are depth"),
        (("metric", None), "--x metric: unknown axis 'metric'"),
        ((None, None, ["bs=8"]), "--fix bs: unknown parameter 'bs'; did you mean batch_size?"),
        ((None, None, ["width"]), "--fix width: expected name=value"),
        ((None, None, ["width=eight"]), "--fix width: 'eight' is not a whole number"),
        ((None, None, {"depth": [5, 40]}), "--fix depth=[5, 40]: expected one value"),
        (("lr", None, ["lr=0.1"]), "--fix lr=0.1: lr is an axis"),
        ((None, None, {"gamma": "@beta"}), "--fix gamma=@beta: expected one value"),
    ],
)
def test_what_no_view_can_be(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(InputError) as raised:
        view(*arguments)
    assert raised.value.messages[0].startswith(said)


def test_values_that_are_not_there(folder: str) -> None:
    with pytest.raises(InputError, match="--fix width=9: no network has it; there are 8, 16"):
        open_map([folder], view(None, None, ["width=9"]))
    with pytest.raises(InputError, match="--fix train_size=10: no network has it; there are all"):
        open_map([folder], view(None, None, ["train_size=10"]))
    assert open_map([folder], view("lr", None, ["width=8", "batch_size=8", "train_size=all"])).sizes["lr"] == 3


def test_report_and_export_take_the_same_choice(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--x", "lr", "--fix", "width=8", "--fix", "batch_size=32"]
    for name in ("map.html", "map.svg", "map.nc", "map.csv"):
        command = "report" if name in ("map.html", "map.svg") else "export"
        with pytest.raises(SystemExit) as ended:
            main([command, folder, *options, "--out", name])
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"{name}\n"
    assert "singles, depth over lr, width=8, batch_size=32" in Path("map.html").read_text()
    assert "learning rate" in Path("map.svg").read_text()
    assert len(Path("map.csv").read_text().splitlines()) == 1 + 2 * 3 * 2
    assert pm.load(folder, x="lr", fix={"width": 8, "batch_size": 32}).sizes == {"depth": 2, "lr": 3, "seed": 2}


def test_a_map_at_hand_is_plotted_otherwise(folder: str) -> None:
    found = pm.load(folder, x="lr", fix={"width": 8, "batch_size": np.int64(32)})
    ax = pm.plot(found, x="depth")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("depth (layers)", "learning rate")
    assert pm.plot(folder, x="lr", fix={"width": 8, "batch_size": 32}).get_xlabel() == "learning rate"
    with pytest.raises(InputError, match="x, y: width and depth are not the axes of this map, lr and depth: load"):
        pm.plot(found, x="width")
    with pytest.raises(InputError, match="fix: width is no axis of this map"):
        pm.plot(found, fix={"width": 8})
    with pytest.raises(InputError, match=r"fix: lr=3.0: the map has 0.01, 0.1, 1.0"):
        pm.plot(found, fix={"lr": 3})


def test_what_cannot_be_written(folder: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        export([folder], format="csv", out=tmp_path / "none" / "x.csv", view=View())
    with pytest.raises(InputError, match=r"expected a name that ends in one of .html, .png, .pdf, .svg"):
        draw([folder], out=tmp_path / "fig.txt")
