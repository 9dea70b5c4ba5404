"""Axes, fixed values and files of pictures as somebody in a hurry writes them: a map comes of it, or one clear line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.key import tile_key
from phasemap.train.parameters import TABLE, normalise
from tests.robustness.attack import attack, complaints
from tests.sweeps.fake_backend import fake_result

SEEDS, MANY = 8, 150
STRANGE = (
    "",
    " ",
    "=",
    "@beta",
    "[1, 2]",
    "nan",
    "-1",
    "1e999",
    "9" * 400,
    "Depth",
    "learning_rate",
    "x y",
    "\x1b[31m",
    "ξ",
)
NAMES = (
    "fig.pdf",
    "fig.PNG",
    "fig.svg",
    "fig.html",
    "fig.txt",
    "fig",
    ".html",
    "a.b/c.pdf",
    "fig.pdf.gz",
    "fig.nc",
    "fig.csv",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Single tiles over width and batch size, with stacked depths, learning rates and seeds."""
    made = Folder(tmp_path_factory.mktemp("home") / "singles")
    for width in (8, 16):
        for size in (8, 32):
            tile = normalise(
                {"depth": [5, 40], "lr": [0.01, 1.0], "seed": [0, 1], "width": width, "batch_size": size, "steps": 10}
            )
            result = fake_result(tile)
            key = tile_key(tile, dtype="float32", data_digest=result["content"]["data"]["digest"], semantics=1)
            store.write(made.result_file(key), result)
    return made.path


def command(rng: random.Random, folder: Path) -> list[str]:
    """Options of a command that opens a map, often sound."""
    known = ("depth", "lr", "width", "batch_size", "seed")
    other = (*TABLE, *STRANGE)

    def name() -> str:
        return rng.choice(known if rng.random() < 0.8 else other)

    which = rng.choice(("report", "export", "export", "compare"))
    arguments = [which, str(folder), *([str(folder)] if which == "compare" else [])]
    for axis in ("--x", "--y"):
        arguments += [axis, name()] if rng.random() < 0.6 else []
    for _ in range(rng.randrange(4)):
        value = rng.choice(("8", "16", "32", "0.01", "1", "5", "all", "null", *STRANGE))
        arguments += ["--fix", rng.choice((f"{name()}={value}", f"{name()}={value}", value))]
    return [*arguments, "--out", rng.choice(NAMES)]


def check(seed: int, folder: Path, where: Path) -> None:
    rng = random.Random(seed)
    arguments = command(rng, folder)
    ended = attack(*arguments, folder=where)
    assert complaints(ended) == [], arguments
    if ended.code == 0 and arguments[0] == "report":
        written = where / arguments[-1]
        begins = {".pdf": b"%PDF", ".png": b"\x89PNG", ".svg": b"<?xml", ".html": b"<!doctype html>"}
        assert written.read_bytes().lower().startswith(begins[written.suffix.lower()].lower()), arguments


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_choice_of_a_map(seed: int, folder: Path, tmp_path: Path) -> None:
    check(seed, folder, tmp_path)


@pytest.mark.slow
def test_many_choices_of_a_map(folder: Path, tmp_path: Path) -> None:
    for seed in range(SEEDS, MANY):
        check(seed, folder, tmp_path)
