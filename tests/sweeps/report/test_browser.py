"""The report in a real browser: hover, keys, switches and click work, and the console stays silent.

A copy of the page gets a script that does what a reader would and writes what it saw into the page; headless Chromium
then prints the page. Needs Debian's chromium (or Chrome) on the PATH.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.report.map_page import write
from tests.sweeps.synthetic import PROVENANCE, results

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH; the report is not tried in a browser")

READER = """
<script>
window.addEventListener("load", () => {
  const seen = {};
  const byId = (id) => document.getElementById(id);
  const text = (id) => byId(id).textContent;
  const square = (metric, i, j) => byId(`${metric}-cell-${i}-${j}`);
  const hover = (target) => target.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  const shown = () => [...document.querySelectorAll(".picture")].filter((p) => !p.hidden).map((p) => p.dataset.metric);
  const visible = (id) => getComputedStyle(byId(id)).display !== "none";
  const press = (key) => byId("picture-test_accuracy").querySelector("svg")
    .dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

  seen.first = shown();
  seen.bottom = document.querySelector(".picture:not([hidden]) svg").getBoundingClientRect().bottom;
  seen.headings = [...document.querySelectorAll("h2")].map((h) => h.textContent);
  seen.controls = !byId("controls").hidden;
  hover(square("test_accuracy", 2, 1));
  seen.hover = text("cell");
  seen.outlines = document.querySelectorAll(".outline").length;
  seen.pointable = getComputedStyle(square("test_accuracy", 2, 1)).pointerEvents;
  const box = square("test_accuracy", 2, 1).getBoundingClientRect();
  scrollTo(0, box.top + scrollY - 200);
  const after = square("test_accuracy", 2, 1).getBoundingClientRect();
  seen.under = document.elementFromPoint(after.left + after.width / 2, after.top + after.height / 2).id;
  hover(square("test_accuracy", 11, 0));
  seen.diverged = text("cell");
  hover(square("test_accuracy", 0, 5));
  seen.missing = text("cell");
  square("test_accuracy", 11, 0).dispatchEvent(new MouseEvent("click", { bubbles: true }));
  seen.curves = text("curves");
  seen.lines = document.querySelectorAll("#curves polyline").length;
  press("ArrowDown");
  press("ArrowRight");
  seen.keys = text("cell");
  press("Enter");
  seen.kept = text("curves");
  press("Escape");
  seen.gone = [text("curves"), document.querySelectorAll(".outline").length];
  hover(square("test_accuracy", 9, 0));
  seen.float32 = text("cell");
  seen.theory = visible("test_accuracy-theory");
  seen.decades = visible("test_accuracy-decades");
  document.querySelector("input[value=theory]").click();
  document.querySelector("input[value=decades]").click();
  seen.theoryOff = visible("test_accuracy-theory");
  seen.labelOff = visible("test_accuracy-theory-label");
  seen.decadesOn = visible("test_accuracy-decades");
  document.querySelector("input[value=test_accuracy_batch]").click();
  seen.second = shown();
  seen.secondTheory = visible("test_accuracy_batch-theory");
  seen.secondCell = text("cell");
  const reachable = "input, summary, a[href], [tabindex='0']";
  seen.reachable = [...document.querySelectorAll(reachable)].every((e) => e.tabIndex >= 0);
  const map = document.querySelector(".picture:not([hidden]) svg");
  const told = (name) => map.getAttribute(name).split(" ").map((id) => byId(id)?.textContent.trim().length > 20);
  seen.named = [...told("aria-labelledby"), ...told("aria-describedby")];
  seen.live = byId("cell").getAttribute("aria-live");
  seen.order = [];
  for (const e of document.querySelectorAll(reachable)) {
    e.focus();
    if (document.activeElement === e || e.type === "radio") seen.order.push(e.value ?? e.tagName.toLowerCase());
  }
  seen.ring = getComputedStyle(map).outlineStyle;
  map.focus({ focusVisible: true });
  seen.focusRing = parseFloat(getComputedStyle(map).outlineWidth);
  seen.focusable = document.querySelector(".picture svg").getAttribute("tabindex");
  seen.wide = document.documentElement.scrollWidth <= document.documentElement.clientWidth;
  const out = document.createElement("pre");
  out.id = "seen";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
});
</script>
"""


def browse(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Chromium on a local page with a profile of its own; it may not use the network."""
    assert BROWSER is not None
    return subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--proxy-server=127.0.0.1:9",
            "--enable-logging=stderr",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=4000",
            "--window-size=1300,1000",
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """(what the script saw, the browser's log)."""
    folder = tmp_path_factory.mktemp("browser")
    contents, expected = results(
        eps=0.0, outcome=lambda c: "diverged" if (c["depth"], c["batch_size"]) == (60, 6) else "finished"
    )
    for content in contents:
        for cell in content["cells"]:
            cell["exceeds_float32"] = cell["parameters"]["depth"] == 50
    out = write(
        phase_map.build(contents[:-1], expected, {}),
        out=folder / "report.html",
        figures_dir=folder / "figures",
        contents=contents[:-1],
        provenance=[PROVENANCE],
        experiment_yaml="name: x\n",
    )
    copy = folder / "read.html"
    copy.write_text(out.read_text(encoding="utf-8").replace("</body>", READER + "</body>"), encoding="utf-8")
    ran = browse(copy, folder / "profile", "--dump-dom")
    found = re.search(r'<pre id="seen">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert found, f"the reader's script did not end: {ran.stderr[-2000:]}"
    text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return json.loads(text), ran.stderr


def test_the_whole_map_is_seen_at_once_and_how_to_read_it_comes_next(seen: tuple[dict[str, Any], str]) -> None:
    """On a screen of 1300 × 900."""
    assert seen[0]["bottom"] <= 900
    assert seen[0]["headings"][:2] == ["The map", "How to read it"]


def test_the_console_is_silent(seen: tuple[dict[str, Any], str]) -> None:
    assert [line for line in seen[1].splitlines() if "CONSOLE" in line] == []


def test_pointing_at_a_square_reads_it_out(seen: tuple[dict[str, Any], str]) -> None:
    saw = seen[0]
    assert saw["controls"]
    assert saw["pointable"] == "all"
    assert saw["under"] == "test_accuracy-cell-2-1"
    assert saw["outlines"] == 1
    for part in ("depth (layers): 15", "batch size B: 8", "running statistics: 0.", "±", "3 finished", "depth = 8.7 ξ"):
        assert part in saw["hover"]
    assert "3 diverged" in saw["diverged"]
    assert "statistics: diverged" in saw["diverged"]
    assert "statistics: missing" in saw["missing"]


def test_a_click_shows_the_loss_curves(seen: tuple[dict[str, Any], str]) -> None:
    saw = seen[0]
    assert "Training loss at depth (layers) 60, batch size B 6" in saw["curves"]
    assert "diverged at step 37" in saw["curves"]
    assert saw["lines"] == 3


def test_the_arrow_keys_walk_and_enter_keeps(seen: tuple[dict[str, Any], str]) -> None:
    saw = seen[0]
    # from (0, 5), where the pointer was: down stays in the map, right too
    assert "depth (layers): 5" in saw["keys"]
    assert "batch size B: 64" in saw["keys"]
    assert "Training loss at depth (layers) 5, batch size B 64" in saw["kept"]
    assert saw["gone"] == ["", 0]
    assert saw["reachable"]
    assert saw["focusable"] == "0"


def test_keys_reach_every_control_and_the_map_says_what_it_is(seen: tuple[dict[str, Any], str]) -> None:
    saw = seen[0]
    controls = ["test_accuracy", "train_loss", "theory", "fit", "frontier", "decades", "svg", "summary"]
    assert [name for name in controls if name not in saw["order"]] == []
    assert saw["named"] == [True, True, True]  # its caption, its description, and how the keys work
    assert saw["live"] == "polite"
    assert saw["focusRing"] >= 2


def test_a_cell_beyond_float32_says_so(seen: tuple[dict[str, Any], str]) -> None:
    assert "beyond float32" in seen[0]["float32"]
    assert "beyond float32" not in seen[0]["hover"]


def test_switches_show_and_hide_layers_and_change_the_metric(seen: tuple[dict[str, Any], str]) -> None:
    saw = seen[0]
    assert saw["first"] == ["test_accuracy"]
    assert saw["second"] == ["test_accuracy_batch"]
    assert (saw["theory"], saw["theoryOff"], saw["labelOff"]) == (True, False, False)
    assert (saw["decades"], saw["decadesOn"]) == (False, True)
    assert saw["secondTheory"] is False
    assert "batch statistics" in saw["secondCell"]
    assert saw["wide"]


def test_it_prints_every_number_and_no_controls(printed: str) -> None:
    assert "Verdict" in printed
    assert "This map against" in printed
    assert "Draw over it" not in printed


@pytest.fixture(scope="module")
def printed(seen: tuple[dict[str, Any], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text that is left for paper, by the page's own print style."""
    folder = tmp_path_factory.mktemp("print")
    contents, expected = results(eps=0.0)
    out = write(
        phase_map.build(contents, expected, {}),
        out=folder / "report.html",
        figures_dir=folder / "figures",
        contents=contents,
        provenance=[PROVENANCE],
        experiment_yaml="name: x\n",
    )
    page = out.read_text(encoding="utf-8").replace("@media print", "@media all")
    shown = "<script>addEventListener('load', () => { document.body.textContent = document.body.innerText; });</script>"
    out.write_text(page.replace("</body>", shown + "</body>"), encoding="utf-8")
    return browse(out, folder / "profile", "--dump-dom").stdout
