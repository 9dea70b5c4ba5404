"""The report of a large map: its page is bounded, its squares are an image, its loss curves lie beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phasemap.sweeps.figures.maps.heat_map import MOST_VECTORS
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.report.loss_curves import MOST_CURVES
from phasemap.sweeps.report.map_page import write
from tests.sweeps.report.test_browser import BROWSER, browse
from tests.sweeps.synthetic import PROVENANCE, results

COLUMNS, ROWS, SEEDS = 52, 50, 2
BYTES_PER_SQUARE = 100
"""Numbers of six metrics; a loss curve alone would be as much."""
BYTES_BESIDES = 600_000
"""Of a page without its squares: style, script, six pictures' lines and letters, tables of columns."""
BYTES_OF_AN_IMAGE = 150_000
"""Of the squares, however many: here each looks other than its neighbours, the worst for compression."""


def a_large_report(folder: Path, outcomes: tuple[str, ...] = ("finished",)) -> Path:
    """The outcomes are drawn at random for each network: nothing of the map is in one piece."""
    rng = np.random.default_rng(0)
    contents, expected = results(
        range(4, 4 + COLUMNS),
        depth=list(range(2, 2 + ROWS)),
        seed=list(range(SEEDS)),
        noise=0.1,
        outcome=lambda cell: str(rng.choice(outcomes)),
        eps=0.0,
    )
    for cell in (cell for content in contents for cell in content["cells"]):
        if cell["outcome"] == "finished":
            cell["history"] = {"step": list(range(0, 600, 5)), "loss": rng.uniform(0, 3, 120).tolist()}
    return write(
        phase_map.build(contents, expected, {}),
        out=folder / "large.html",
        figures_dir=folder / "figures",
        contents=contents,
        provenance=[PROVENANCE] * len(contents),
        experiment_yaml=None,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_large_report(tmp_path_factory.mktemp("large"), ("finished", "finished", "diverged", "dead"))


@pytest.mark.slow
def test_the_bytes_of_a_page_grow_by_the_squares_numbers_alone(report: Path) -> None:
    assert COLUMNS * ROWS > MOST_VECTORS
    assert COLUMNS * ROWS * SEEDS > MOST_CURVES
    page = report.read_text(encoding="utf-8")
    images = re.findall(r'xlink:href="data:([^"]*)"', page)
    assert max(map(len, images)) < BYTES_OF_AN_IMAGE
    assert len(page) - sum(map(len, images)) < BYTES_BESIDES + BYTES_PER_SQUARE * COLUMNS * ROWS
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 6
    for picture in pictures:
        assert picture.count("<image") == 2  # the squares, and the bar of colours
        assert "-cell-" not in picture
        assert len(re.sub(r'xlink:href="data:[^"]*"', "", picture)) < 100_000  # no squares of any state either


def test_the_curves_of_every_network_lie_beside_the_page_which_says_so(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert "5,200 networks are not on this page but beside it, in <code>large.curves.js</code>" in page
    assert 'id="loss-curves"' not in page
    found = re.fullmatch(r"phasemapCurves\((.*)\);\n", (report.parent / "large.curves.js").read_text())
    assert found
    curves: dict[str, Any] = json.loads(found[1])
    assert len({tuple(row[:3]) for row in curves["cells"]}) == len(curves["cells"]) == COLUMNS * ROWS * SEEDS
    assert {len(row[6]) for row in curves["cells"]} == {3, 24}


READER = """
<script>
window.addEventListener("load", async () => {
  const seen = {};
  const text = (id) => document.getElementById(id).textContent;
  const map = document.querySelector(".picture:not([hidden]) svg");
  const numbers = (edges) => edges.split(" ").map(Number);
  const middle = (edges, k) => (edges[k] + edges[k + 1]) / 2;
  const point = (i, j, kind) => {
    const inside = new DOMPoint(middle(numbers(map.dataset.across), j), middle(numbers(map.dataset.down), i));
    const at = inside.matrixTransform(map.getScreenCTM());
    const event = { bubbles: true, clientX: at.x, clientY: at.y };
    const target = document.elementFromPoint(at.x, at.y);
    target.dispatchEvent(kind === "click" ? new MouseEvent(kind, event) : new PointerEvent(kind, event));
  };
  const press = (key) => map.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  scrollTo(0, map.getBoundingClientRect().top + scrollY - 50);
  const began = performance.now();
  point(7, 3, "pointermove");
  seen.hover = text("cell");
  point(49, 51, "pointermove");
  seen.corner = text("cell");
  seen.outline = document.querySelectorAll(".outline").length;
  const box = document.querySelector(".outline").getBoundingClientRect();
  seen.box = [box.width, box.height];
  press("ArrowLeft");
  press("ArrowUp");
  seen.keys = text("cell");
  seen.milliseconds = performance.now() - began;
  point(7, 3, "click");
  seen.waiting = text("curves");
  for (let k = 0; k < 100 && document.querySelectorAll("#curves p.small").length < 2; k++) {
    await new Promise((next) => setTimeout(next, 20));
  }
  seen.curves = text("curves");
  seen.lines = document.querySelectorAll("#curves polyline").length;
  const out = document.createElement("pre");
  out.id = "seen";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
});
</script>
"""


def read_in_browser(page: Path, profile: Path) -> tuple[dict[str, Any], str]:
    copy = page.with_name("copy.html")
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", READER + "</body>"), encoding="utf-8")
    ran = browse(copy, profile, "--dump-dom")
    found = re.search(r'<pre id="seen">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert found, ran.stderr[-2000:]
    return json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")), ran.stderr


@pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH")
def test_a_large_map_is_pointed_at_walked_and_clicked_like_a_small_one(report: Path, tmp_path: Path) -> None:
    saw, log = read_in_browser(report, tmp_path / "profile")
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
    assert "depth (layers): 9" in saw["hover"]
    assert "batch size B: 7" in saw["hover"]
    assert "depth (layers): 51" in saw["corner"]
    assert "batch size B: 55" in saw["corner"]
    assert saw["outline"] == 1
    assert min(saw["box"]) > 2
    assert max(saw["box"]) < 40
    assert "batch size B: 54" in saw["keys"]
    assert "depth (layers): 51" in saw["keys"]  # the top
    assert "Reading large.curves.js" in saw["waiting"]
    assert "Training loss at depth (layers) 9, batch size B 7" in saw["curves"]
    assert "seed 0: " in saw["curves"]
    assert saw["lines"] == SEEDS
    (moved := tmp_path / "moved").mkdir()
    alone = moved / "large.html"
    alone.write_text(report.read_text(encoding="utf-8"), encoding="utf-8")
    saw, _ = read_in_browser(alone, tmp_path / "profile")
    assert "They are in large.curves.js, which is not beside this page." in saw["curves"]
