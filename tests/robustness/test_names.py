"""Names from other people's files are shown as they are: no picture, page, table or terminal obeys them."""

from __future__ import annotations

import csv
import io
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.cell_table import to_csv
from phasemap.sweeps.store.folder import Folder
from phasemap.train.parameters import normalise
from tests.robustness.attack import attack, complaints
from tests.sweeps.fake_backend import FAKE, fake_result

PIECES = (
    *(
        "$",
        "$$",
        r"\$",
        "_",
        "^{",
        "{",
        "}",
        r"\frac",
        "%",
        "%20",
        "#",
        "?",
        "&amp;",
        "<b>",
        "</script>",
        "<!--",
        '"',
        "'",
        "`",
    ),
    *(
        "\\",
        "=1+1",
        "+",
        "-",
        "@x",
        "|",
        ";",
        ":",
        ",",
        "..",
        "~",
        "*",
        "[v1]",
        "$(echo hi)",
        "{{ x }}",
        "{% x %}",
        " ",
        "\t",
    ),
    *(
        "größe λ",
        "数据",
        "עברית",
        "🙂",
        "\u202egpj",
        "\u2028",
        "\x1b[31m",
        "\x1b]0;t\x07",
        "\x07",
        "\x08",
        "\x7f",
        "\x9b",
        "\r",
        "\n",
    ),
    *("a", "plain", "1e5", "NaN", "null", "n" * 60),
)
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
PNG = b"\x89PNG\r\n\x1a\n"


def name_of(draw: random.Random) -> str:
    """A name that a file can have."""
    name = "".join(draw.choices(PIECES, k=draw.randrange(1, 5)))[:80].replace("/", "|")
    return f"x{name}" if name.startswith("..") else name


def folder_of(path: Path, name: str, data: str) -> Folder:
    """A folder with the results of an experiment with this name, trained on data of that name."""
    yaml = path / f"{name}.yaml"
    yaml.write_text(
        "method: grid\nparameters:\n  x_axis: {value: width}\n  depth: {value: [5, 15, 95]}\n  seed: {value: [0]}\n"
        "  lr: {value: 0.1}\n  steps: {value: 10}\n  width: {values: [10, 11, 12]}\n"
    )
    planned = plan(load(str(yaml), "paper"), at_work=["cpu"], trainer=FAKE)
    folder = Folder(path / "runs" / name)
    folder.claim(planned.experiment, planned.manifest)
    for tile in planned.tiles:
        result = fake_result({**tile.parameters})
        result["content"]["data"]["name"] = data
        store.write(folder.result_file(tile.key), result)
    return folder


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for key, value in attributes if key in ("href", "src") and value]


def show(path: Path, seed: int, count: int) -> None:
    draw = random.Random(seed)
    for trial in range(count):
        name, data = name_of(draw), f"{name_of(draw)}.npz"
        place = path / str(trial)
        place.mkdir()
        folder = folder_of(place, name, data)
        csv_file = place / "cells.csv"
        for words in (
            ("report", f"./runs/{name}"),
            ("status", f"./runs/{name}"),
            ("export", f"./runs/{name}", "--out", "cells.csv"),
            ("export", f"./runs/{name}", "--format", "netcdf", "--out", "map.nc"),
            ("report", "runs", "--index"),
            ("report", f"./runs/{name}-{name}"),
            ("run", f"{name}.yml"),
        ):
            outcome = attack(*words, folder=place)
            where = f"seed {seed}, trial {trial}: {name!r}, {data!r}: {words}"
            assert complaints(outcome) == [], where
            assert outcome.code == (2 if words[-1].endswith((f"-{name}", ".yml")) else 0), f"{where}: {outcome.err}"
            assert not OBEYED.search(outcome.out + outcome.err), f"{where}: {outcome.out!r} {outcome.err!r}"
        page = (folder.path / "report.html").read_text()
        assert not OBEYED.search(page), where
        pictures = list((folder.path / "figures").iterdir())
        assert sorted(picture.suffix for picture in pictures) == [".pdf", ".png"], where
        assert all(picture.read_bytes().startswith((PNG, b"%PDF")) for picture in pictures), where
        links = Links()
        links.feed((place / "runs" / "index.html").read_text())
        assert f"{name}/report.html" in map(unquote, links.found), where
        for link in links.found:
            if link.startswith("data:"):  # the page's icon
                continue
            assert (place / "runs" / unquote(link)).is_file(), f"{where}: {link}"
        for row in csv.reader(io.StringIO(csv_file.read_text())):
            assert not [cell for cell in row if cell[:1] in ("=", "+", "@")], where


def test_names_are_shown(tmp_path: Path) -> None:
    show(tmp_path, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_many_names_are_shown(tmp_path: Path, seed: int) -> None:
    show(tmp_path, seed, 12)


@pytest.mark.parametrize("text", ["=1+1", "+a", "-a", "@a", "＝1", "-1", "+1.5", "=\x1b[31m", "a=b", "-", "1e5"])
def test_a_text_is_no_formula_and_a_number_is_a_number(text: str) -> None:
    contents = [
        fake_result(normalise({"depth": [3], "width": width, "lr": 0.1, "steps": 9}))["content"] for width in (12, 13)
    ]
    contents[1]["cells"][0]["parameters"]["activation"] = text
    header, *rows = csv.reader(io.StringIO(to_csv(contents)))
    shown = text.replace("\x1b", r"\x1b")
    assert {row[header.index("activation")] for row in rows} == {
        "relu",
        shown if text in ("-1", "+1.5", "a=b", "1e5") else f"'{shown}",
    }
