"""Commands that draw, compare and advise from folders of which one file is spoiled; and the index over spoiled pages.

A page or a picture is whole, what a command does not write stays as it is, and what is wrong is said in a line.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.robustness.attack import Outcome, attack, complaints
from tests.robustness.hostile import changed, damaged, spelt
from tests.robustness.test_folders import spoil, state
from tests.sweeps.runs import run_fake, write_experiment

SEEDS, MANY = 6, 100
READERS = (
    ("report", "out", "--out", "drawn/page.html"),
    ("report", "out", "--style", "paper", "--out", "drawn/page.html"),
    ("report", "out", "other", "--out", "drawn/page.html"),
    ("compare", "out", "other"),
    ("compare", "out", "theory:tanh"),
    ("export", "out", "other", "--out", "drawn/cells.csv"),
    ("export", "out", "--format", "netcdf", "--out", "drawn/map.nc"),
    ("advise", "--depth", "8", "--map", "out"),
    ("advise", "--depth", "8", "--map", "out", "--json"),
    ("status", "out"),
)
ENDS = {".html": b"</html>", ".png": b"IEND\xaeB`\x82", ".pdf": b"%%EOF", ".csv": b"\n"}
SUMMARY = re.compile(r'<script type="application/json" id="summary">(.*?)</script>', re.DOTALL)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of results, ``out`` and ``other``, each with a report."""
    home = tmp_path_factory.mktemp("drawn")
    for name, eps in (("out", 0.001), ("other", 0.01)):
        experiment = write_experiment(home / f"{name}.yaml", 3, eps=eps)
        assert run_fake(experiment, home / name, workers=1, quiet=True) == 0
        assert not complaints(attack("report", name, folder=home))
    return home


def half_written(folder: Path) -> list[str]:
    """Files of the folder that do not end as such files do."""
    return [
        f"{path.name} is not whole"
        for path in folder.rglob("*")
        if path.is_file()
        and (path.suffix == ".tmp" or not path.read_bytes().rstrip(b"\n").endswith(ENDS.get(path.suffix, b"").rstrip()))
    ]


def try_one(drawn: Path, home: Path, seed: int, spoiled: Callable[[Path, random.Random], Path]) -> list[str]:
    """A command over a copy in which one file is spoiled; what does not hold then."""
    rng = random.Random(seed)
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(drawn, home)
    path = spoiled(home / "out", rng)
    before = state(home, path)
    arguments = rng.choice(READERS) if spoiled is spoil else ("report", "--index", ".", "--out", "drawn/index.html")
    (home / "drawn").mkdir()
    ended: Outcome = attack(*arguments, folder=home)
    wrong = complaints(ended)
    after = state(home, path)
    wrong += [f"{name} was changed" for name, data in before.items() if after.get(name) != data]
    wrong += half_written(home / "drawn")
    if ended.code == 0 and "--json" in arguments:
        json.loads(ended.out)
    if ended.code == 0 and "drawn" in arguments[-1] and not list((home / "drawn").iterdir()):
        wrong.append("it wrote nothing")
    return [f"seed {seed}, {path.name}, {' '.join(arguments)}: {one}" for one in wrong]


def spoil_page(folder: Path, rng: random.Random) -> Path:
    """Changes the page of a report, or what it says of itself to the index."""
    page = folder / "report.html"
    text = page.read_text(encoding="utf-8")
    if rng.random() < 0.3:
        page.write_bytes(damaged(page.read_bytes(), rng))
        return page
    found = SUMMARY.search(text)
    assert found
    document, literal = changed(json.loads(found[1]), rng)
    text = text[: found.start(1)] + spelt(document, literal) + text[found.end(1) :]
    page.write_text(text, encoding="utf-8", errors="surrogatepass")
    return page


def test_readers_of_a_spoiled_folder(drawn: Path, tmp_path: Path) -> None:
    wrong = [message for seed in range(SEEDS) for message in try_one(drawn, tmp_path / "try", seed, spoil)]
    assert not wrong, "\n".join(wrong)


def test_the_index_over_a_spoiled_page(drawn: Path, tmp_path: Path) -> None:
    wrong = [message for seed in range(2 * SEEDS) for message in try_one(drawn, tmp_path / "try", seed, spoil_page)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("spoiled", [spoil, spoil_page], ids=["results", "pages"])
@pytest.mark.parametrize("part", range(4))
def test_readers_by_the_hundred(
    drawn: Path, tmp_path: Path, spoiled: Callable[[Path, random.Random], Path], part: int
) -> None:
    wrong = []
    for seed in range(SEEDS + part, MANY, 4):
        wrong += try_one(drawn, tmp_path / "try", seed, spoiled)
    assert not wrong, "\n".join(wrong[:20])
