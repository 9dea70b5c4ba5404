"""The report: self-contained, escaped, small, and with the numbers that the analysis gave."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.report import index_page as index
from phasemap.sweeps.report import tables
from phasemap.sweeps.report.loss_curves import CURVE_POINTS
from phasemap.sweeps.report.map_page import write
from phasemap.sweeps.verdict.claims.depth_scale import rows
from phasemap.sweeps.verdict.judgement import judge
from phasemap.theory.errors import InputError
from tests.sweeps.synthetic import PROVENANCE, content, results, tile_parameters

YAML = "# The figure.\n# Cost: much.\n# Expect: a frontier.\nname: <b>&\ndescription: Depth over <i>batch size\n"


def failures(cell: dict[str, Any]) -> str:
    return "diverged" if cell["depth"] == 60 and cell["batch_size"] == 6 else "finished"


def a_report(folder: Path, **options: Any) -> tuple[str, dict[str, Any]]:
    """(the page, the data in it)."""
    contents, expected = results(**{"outcome": failures, "eps": 0.0, **options})
    built = phase_map.build(contents[:-1], expected, {})
    out = write(
        built,
        out=folder / "report.html",
        figures_dir=folder / "figures",
        contents=contents[:-1],
        provenance=[PROVENANCE, {**PROVENANCE, "device": "<i>gpu"}],
        experiment_yaml=YAML,
    )
    page = out.read_text(encoding="utf-8")
    return page, json_of(page, "data")


def json_of(page: str, name: str) -> dict[str, Any]:
    """What the page has for its script."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} is not JSON")))


def kind(data: dict[str, Any], i: int, j: int) -> dict[str, Any]:
    """What kind of square it is."""
    return dict(data["kinds"][data["kind"][i][j]])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("report")
    page, data = a_report(folder)
    return folder, page, data


class _Outside(HTMLParser):
    """Collects what a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []
        for name in ("src", "href", "xlink:href", "data", "srcset", "action"):
            if values.get(name):
                self.loaded.append(str(values[name]))


def test_nothing_is_loaded_from_outside_and_ids_are_unique(report: tuple[Path, str, Any]) -> None:
    parser = _Outside()
    parser.feed(report[1])
    assert [link for link in parser.loaded if not link.startswith(("#", "data:"))] == []
    assert "@import" not in report[1]
    assert not re.search(r"url\((?!#)", report[1])
    assert len(set(parser.ids)) == len(parser.ids)
    targets = {link[1:] for link in parser.loaded if link.startswith("#")} | set(
        re.findall(r"url\(#([^)]+)\)", report[1])
    )
    assert targets <= set(parser.ids)


def test_figures_are_written_beside_it(report: tuple[Path, str, Any]) -> None:
    assert sorted(file.name for file in (report[0] / "figures").iterdir()) == ["bn-fig3a.png"]


def test_every_text_is_escaped(report: tuple[Path, str, Any]) -> None:
    assert "<b>&\n" not in report[1]
    assert "&lt;b&gt;&amp;" in report[1]
    assert "<i>gpu" not in report[1]


def test_a_hostile_name_stays_text_also_in_the_data(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    page, _ = a_report(tmp_path, batch_sizes=(8, 16), depth=[5, 50], experiment=evil.replace("/", "-"))
    assert "<script>alert(1)" not in page


def test_each_square_has_its_id_and_its_colour(report: tuple[Path, str, Any]) -> None:
    page = report[1]
    svg = re.search(r'id="picture-test_accuracy".*?(<svg.*?</svg>)', page, re.DOTALL)
    assert svg
    root = ElementTree.fromstring(svg[1])
    squares = {e.get("id"): e for e in root.iter() if "-cell-" in (e.get("id") or "")}
    assert len(squares) == 12 * 6
    tops = {i: float(re.findall(r"[-\d.]+", str(squares[f"test_accuracy-cell-{i}-0"].get("d")))[1]) for i in (0, 11)}
    assert tops[11] < tops[0]  # deeper is higher on the page
    assert squares["test_accuracy-cell-0-0"].get("fill") != squares["test_accuracy-cell-8-0"].get("fill")
    assert "currentColor" in svg[1]
    for layer in ("theory", "fit", "frontier", "decades"):
        assert any((e.get("id") or "").startswith(f"test_accuracy-{layer}") for e in root.iter())


def test_the_data_are_the_maps_numbers(report: tuple[Path, str, dict[str, Any]]) -> None:
    data = report[2]
    contents, expected = results(outcome=failures, eps=0.0)
    built = phase_map.build(contents[:-1], expected, {})
    mean = built["test_accuracy"].mean("seed").values
    for i, j in ((0, 0), (5, 3)):
        assert data["metrics"]["test_accuracy"]["mean"][i][j] == pytest.approx(mean[i, j], rel=1e-3)
    assert kind(data, 11, 0) == {"state": "diverged", "counts": [0, 3, 0, 0, 0], "float32": False}
    assert kind(data, 0, 5) == {"state": "missing", "counts": [0, 0, 0, 3, 0], "float32": False}
    assert data["metrics"]["test_accuracy"]["mean"][11][0] is None
    assert data["curves_file"] is None
    found = json_of(report[1], "loss-curves")
    curves = {tuple(row[:3]): row[3:] for row in found["cells"]}
    assert len(curves) == len(found["cells"]) == 12 * 5 * 3  # the last column was not run
    outcome, diverged_at, steps, losses = curves[11, 0, 2]
    assert (data["outcomes"][outcome], diverged_at, found["steps"][steps]) == ("diverged", 37, [0, 300, 600])
    assert losses == [2.3, 1.5, None]


def test_the_verdict_and_its_numbers_are_on_the_page(report: tuple[Path, str, Any]) -> None:
    contents, expected = results(outcome=failures, eps=0.0)
    built = phase_map.build(contents[:-1], expected, {})
    agreement = judge(built).agreements["test_accuracy"]
    words = " ".join(re.sub(r"<[^>]+>", " ", report[1]).split())
    assert agreement.verdict in words.replace("&#39;", "'")
    for row in tables.column_rows(built, agreement):
        assert row["frontier"] in words
    for label, count in tables.outcome_rows(built):
        assert f"{label} {count}" in words
    for value in ("2.13.0", "600 steps", "Σ lr", "0123abcd", "cpu (1 tile)", "25 s"):
        assert value in words
    for quantity in ("depth/ξ", "baseline: depth (layers) alone", "baseline: batch size B alone"):
        assert quantity in words
    assert "The figure." in words
    assert "Depth over &lt;i&gt;batch size" in words
    assert "Cost: much" not in words.split("name:")[0].split("The experiment")[0]


def test_the_page_ranks_the_depth_scales_and_says_where_on_the_slope(report: tuple[Path, str, Any]) -> None:
    contents, expected = results(outcome=failures, eps=0.0)
    judged = judge(phase_map.build(contents[:-1], expected, {}))
    words = " ".join(re.sub(r"<[^>]+>", " ", report[1]).split())
    (collapse,) = judged.collapses
    section = words.split("Which depth scale?")[1].split("Where on the slope?")[0]
    html = report[1].split("Which depth scale?")[1].split("Where on the slope?")[0]
    names = re.findall(r'<th scope="row">(?:baseline: )?(.*?)(?:, fitted)?</th>', html)
    assert names == [one.name for one in collapse.scales]
    assert len(names) == 7
    for one in collapse.scales:
        assert f"{one.spread:.3f}" in section
    assert f"All on the same {collapse.columns} of {collapse.of} columns" in section
    slope = words.split("Where on the slope?")[1].split("What predicts")[0]
    for contour in judged.contours:
        row = f"{contour.used} ({contour.shallower} / {contour.deeper} / {contour.missing})"
        assert (
            f"{contour.kappa:.1f} {tables.ends(contour.interval, 1)} {row}".replace("\N{NO-BREAK SPACE}", " ") in slope
        )
    assert "The paper's 16 belongs" in slope
    assert f"of the swept parameter itself {judged.agreement.rho_of_axis:.2f}" in words


def test_an_eps_map_has_a_kappa_for_each_side(tmp_path: Path) -> None:
    tiles = [tile_parameters(experiment="bn-fig5c", activation="tanh", x_axis="eps", eps=eps) for eps in (0.01, 0.1, 4)]
    contents = [content(tile, lambda cell: 30.0) for tile in tiles]
    built = phase_map.build(contents, None)
    kappas = judge(built).agreements["test_accuracy"].kappa_by_regime()
    out = write(
        built,
        out=tmp_path / "report.html",
        figures_dir=tmp_path / "figures",
        contents=contents,
        provenance=[PROVENANCE],
        experiment_yaml=None,
    )
    page = out.read_text(encoding="utf-8")
    exploding, vanishing = (f"{kappas[side]:.1f}" for side in ("exploding", "vanishing"))
    assert exploding != vanishing
    assert f"<dd>{exploding} and {vanishing}</dd>" in page
    assert f"κ = {exploding} where gradients explode and {vanishing} where they vanish." in page
    assert "Columns with a frontier inside the map and a value of every scale: 2 of 2; three are needed." in page
    for side in ("exploding", "vanishing"):
        assert f"50%, {side} gradients" in page


def test_the_sentences_are_measured_not_asserted(report: tuple[Path, str, Any]) -> None:
    def holds(frontier: Any) -> dict[str, str]:
        built = phase_map.build(*results(frontier=frontier, eps=0.0), {})
        return {row.sentence[:20]: row.holds for row in rows(built, judge(built))}

    from phasemap.theory.activations import activation
    from phasemap.theory.batchnorm.gradient_explosion import depth_scale

    def at(multiple: float) -> Any:
        return lambda cell: multiple * depth_scale(activation("relu"), cell["batch_size"]).xi

    good, shallow, deep = holds(at(16)), holds(at(9)), holds(lambda cell: 300.0)
    assert set(good.values()) == {"yes"}
    assert shallow["the line 16 ξ is the"] == "no"
    assert set(deep.values()) == {"open"}


def test_a_reader_who_does_not_know_the_papers_is_told_what_is_drawn(report: tuple[Path, str, Any]) -> None:
    words = " ".join(re.sub(r"<[^>]+>", " ", report[1]).split())
    for part in (
        "Each square stands for 3 networks (seeds) with one value of depth (layers) (upwards) and of batch size B",
        "guessing gives 10%",
        "over ξ layers the squared gradient changes by a factor e",
        "The white dashed line is 16 ξ",
        "Circles mark the frontier that was measured",
        "What to look for",
        "A square that was never run is hatched",
        "whatever the width",  # the comment that opens the experiment's YAML, which a folder's copy of a preset lacks
    ):
        assert part in words
    assert "critical" not in words.split("Words")[0]
    captions = re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", report[1])
    for part in ("digits, 1437 training and 360 test samples", "3 seeds", "float32", "600 steps", "Σ lr = 6"):
        assert all(part in caption for caption in captions)


def test_cells_beyond_float32_are_marked_counted_and_read_out(tmp_path: Path) -> None:
    contents, expected = results((8, 16, 32), depth=[5, 30, 55], eps=0.0)
    for one in contents:
        for cell in one["cells"]:
            cell["exceeds_float32"] = cell["parameters"]["depth"] == 55
    contents[0]["dtype"] = "float64"  # which they do not exceed

    def written() -> tuple[str, dict[str, Any]]:
        out = write(
            phase_map.build(contents, expected, {}),
            out=tmp_path / "r.html",
            figures_dir=tmp_path,
            contents=contents,
            provenance=[PROVENANCE],
            experiment_yaml=None,
        )
        page = out.read_text(encoding="utf-8")
        return page, json_of(page, "data")

    page, data = written()
    beyond = [[kind(data, i, j)["float32"] for j in range(3)] for i in range(3)]
    assert beyond == [[False] * 3, [False] * 3, [False, True, True]]
    assert 'id="test_accuracy-float32"' in page
    assert re.search(r"in float32 though gradients leave its range[^<]*</th><td>6<", page)
    for one in contents:
        one["dtype"] = "float64"
    page, data = written()
    assert 'id="test_accuracy-float32"' not in page
    assert "leave its range (" not in page


def test_an_empty_map_and_one_without_depth_still_make_a_page(tmp_path: Path) -> None:
    contents, expected = results((8, 16), depth=[5, 50], eps=0.0)
    for built in (
        phase_map.build([], expected, {}),
        phase_map.build(contents, expected, {"x_axis": "depth", "y_axis": "batch_size"}),
    ):
        out = write(
            built, out=tmp_path / "r.html", figures_dir=tmp_path, contents=[], provenance=[], experiment_yaml=None
        )
        assert "<svg" in out.read_text(encoding="utf-8")


def test_a_thousand_cells_stay_under_three_megabytes(tmp_path: Path) -> None:
    sizes = tuple(range(8, 48))
    contents, expected = results(sizes, depth=list(range(4, 104, 4)), seed=[0], eps=0.0, noise=0.05)
    steps = list(range(0, 1000, 5))
    rng = np.random.default_rng(0)
    for cell in (cell for one in contents for cell in one["cells"]):
        cell["history"] = {"step": steps, "loss": rng.uniform(0, 3, len(steps)).tolist()}
    out = write(
        phase_map.build(contents, expected, {}),
        out=tmp_path / "r.html",
        figures_dir=tmp_path,
        contents=contents,
        provenance=[PROVENANCE],
        experiment_yaml=YAML,
    )
    assert len(expected) == 1000
    assert out.stat().st_size < 3_000_000
    assert len(steps) > CURVE_POINTS


def test_a_name_cannot_put_the_figure_elsewhere(tmp_path: Path) -> None:
    a_report(tmp_path, batch_sizes=(8, 16), depth=[5, 50], experiment="../../a b/c")
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == ["a-b-c.png"]


def test_pictures_and_tables_have_text_alternatives(report: tuple[Path, str, Any]) -> None:
    page = report[1]
    captions = set(re.findall(r'<figcaption id="([^"]+)"', page))
    named = re.findall(r'<svg[^>]*aria-labelledby="([^"]+)"', page)
    assert named
    assert set(named) <= captions
    described = dict(re.findall(r'<desc id="([^"]+)">([^<]+)</desc>', page))
    assert set(re.findall(r'<svg[^>]*aria-describedby="([^"]+)"', page)) == set(described)
    assert all("Trainable up to" in text for text in described.values())
    assert len(re.findall(r"<th(?: scope| )[^>]*>", page)) == len(re.findall(r"<th[ >]", page))
    assert 'lang="en"' in page


@pytest.mark.slow
def test_the_index_links_every_report_with_its_verdict(tmp_path: Path) -> None:
    for name in ("one", "two"):
        a_report(tmp_path / name, batch_sizes=(8, 16, 32, 64), depth=[5, 20, 35, 50], experiment=name)
    out = index.write(index.find(tmp_path), out=tmp_path / "pages" / "index.html")
    page = out.read_text(encoding="utf-8")
    for name in ("one", "two"):
        assert f'href="../{name}/report.html"' in page
        assert f'src="../{name}/figures/{name}.png"' in page
        assert (out.parent / f"../{name}/figures/{name}.png").is_file()
    assert page.count("Trainable up to") == 4  # the text of the picture, and the sentence
    (tmp_path / "foreign.html").write_text("<p>hello")
    with pytest.raises(InputError, match=r"foreign\.html"):
        index.write([tmp_path / "foreign.html"], out=out)
    with pytest.raises(InputError, match="no reports"):
        index.write([], out=out)


def test_durations_in_words() -> None:
    assert [tables.duration(s) for s in (12.4, 200.0, 7500.0)] == ["12 s", "3 min 20 s", "2 h 05 min"]
