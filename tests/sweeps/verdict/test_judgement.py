"""How maps are judged: the verdict, the paper's sentences and the report's page follow the map's numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.phase_map.regions import LEFT, RIGHT, TRAINED, WHOLE
from phasemap.sweeps.report.map_page import write
from phasemap.sweeps.sources.results import Results
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.verdict.claims.catalogue import claims_of
from phasemap.sweeps.verdict.claims.residual import likeness, rows
from phasemap.sweeps.verdict.judgement import judge
from tests.sweeps.residual_maps import residual_contents, residual_map, rising, trace_of
from tests.sweeps.synthetic import PROVENANCE, a_map

ZAG = {
    "experiment": "vv-fig2-zag",
    "x_axis": "beta_a",
    "beta_w": 2.0,
    "beta_b": 2.0,
    "overlay": "chi_v",
    "values": (0.0, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0),
}


def holds(built) -> dict[str, str]:
    found = judge(built)
    return {row.sentence: row.holds for row in rows(built, found)}


def one_of(held: dict[str, str], part: str) -> str:
    (value,) = [value for sentence, value in held.items() if part in sentence]
    return value


def log_chi_v(trace) -> float:
    return float(trace.log_gradient_ratio("v")[-1])


def test_a_map_of_the_chi_v_ratio_is_told_from_one_of_depth() -> None:
    true = residual_map(rising(log_chi_v, 0, 9), **ZAG)
    found = judge(true)
    best = found.rankings[WHOLE][0]
    assert (best.name, best.direction) == ("log χ_v⁽¹⁾/χ_v⁽ˡ⁾", "rises")
    assert "log χ_v⁽¹⁾/χ_v⁽ˡ⁾ predicts accuracy best" in found.verdict
    assert set(holds(true).values()) == {"yes"}
    rng = np.random.default_rng(0)
    other = residual_map(lambda cell: 0.2 + cell["depth"] / 100 + 0.01 * rng.standard_normal(), **ZAG)
    held = holds(other)
    assert one_of(held, "but not those of") == "no"
    falling = residual_map(rising(lambda trace: -log_chi_v(trace), -9, 0), **ZAG)
    assert one_of(holds(falling), "greater gradient explosion") == "no"


def test_the_zig_with_its_corner() -> None:
    def diverges(cell) -> bool:
        return float(trace_of(cell).log_p[-1]) > 9

    built = residual_map(rising(lambda trace: float(trace.log_s[-1]), -1, 8), diverges)
    found = judge(built)
    assert list(found.rankings) == [WHOLE, TRAINED]
    held = holds(built)
    assert one_of(held, "contour lines of p") == "yes"
    assert one_of(held, "as printed") == "no"
    assert one_of(held, "corrected form") == "yes"
    assert one_of(held, "dips where s decreases") == "yes"
    assert "Networks diverge where" in found.verdict
    fine = residual_map(rising(lambda trace: float(trace.log_s[-1]), -1, 8))
    assert one_of(holds(fine), "contour lines of p") == "open"
    assert one_of(holds(fine), "C ≈ 10") == "open"


TANH = {
    "experiment": "vv-fig3a",
    "activation": "tanh",
    "x_axis": "beta_v",
    "beta_w": "@beta_v",
    "beta_a": "@beta_v",
    "beta_b": "@beta_v",
    "overlay": "chi_w|p",
    "values": (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0),
    "depth": [20, 30, 40, 50, 60],
}


def test_both_sides_of_the_tanh_peak() -> None:
    """The paper's picture: gradients limit the accuracy on one side, what the network can tell apart on the other."""

    def accuracy(cell) -> float:
        trace = trace_of(cell)
        return min(0.95 - 0.25 * float(trace.log_gradient_ratio("w")[-1]), 0.4 + 0.35 * float(trace.log_s[-1]))

    found = judge(residual_map(accuracy, **TANH))
    assert set(found.rankings) == {WHOLE, LEFT, RIGHT}
    held = holds(residual_map(accuracy, **TANH))
    assert one_of(held, "visible peak") == "yes"
    assert one_of(held, "right of the peak s") == "yes"
    left, right = ([one.name for one in found.rankings[region]] for region in (LEFT, RIGHT))
    assert left.index("log χ_w⁽¹⁾/χ_w⁽ˡ⁾") < left.index("log s")
    assert right.index("log s") < right.index("log χ_w⁽¹⁾/χ_w⁽ˡ⁾")


def test_a_map_without_a_peak_is_told_so() -> None:
    assert one_of(holds(residual_map(lambda cell: 0.9 - 0.2 * cell["beta_v"], **TANH)), "visible peak") == "no"
    assert one_of(holds(residual_map(lambda cell: 0.2 + 0.2 * cell["beta_v"], **TANH)), "visible peak") == "no"
    # the best column is beyond the middle of the columns, but not of the axis
    crowded = {**TANH, "values": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 1.0)}
    there = residual_map(lambda cell: 0.9 - abs(cell["beta_v"] - 0.3), **crowded)
    assert one_of(holds(there), "visible peak") == "yes"
    rng = np.random.default_rng(0)
    slight = residual_map(lambda cell: 0.6 + 0.1 * rng.random() + 0.01 * (cell["beta_v"] == 0.2), **TANH)
    assert one_of(holds(slight), "visible peak") in ("open", "no")


def test_quantities_alike_are_measured() -> None:
    zig = residual_map(lambda cell: 0.5)
    assert likeness(zig, judge(zig), "s", "chi")[1] > 0.99
    assert likeness(zig, judge(zig), "s", "p")[1] > 0.98
    zag = residual_map(lambda cell: 0.5, **ZAG)
    assert np.isnan(likeness(zag, judge(zag), "s", "p")[1])


def test_what_a_map_is_judged_by_follows_from_its_theory() -> None:
    """A frontier where accuracy must fall with depth; quantities, regions and levels where it need not."""
    line, by_quantity = judge(a_map((8, 16, 32), eps=0.0)), judge(residual_map(lambda cell: 0.5 + cell["depth"] / 300))
    assert line.agreement is not None
    (collapse,) = line.collapses
    assert line.verdict == f"{line.agreement.verdict} {collapse.sentence}"
    assert list(line.rankings) == [WHOLE]
    assert [field.name for field in line.fields] == ["decades"]
    assert by_quantity.agreement is None
    assert by_quantity.collapses == by_quantity.contours == []
    assert by_quantity.agreements == {}
    assert "predicts accuracy best" in by_quantity.verdict
    assert [field.name for field in by_quantity.fields] == ["s"]


def test_claims_are_about_the_networks_of_their_paper() -> None:
    for built in (a_map((8, 16, 32), eps=0.0), residual_map(rising(log_chi_v, 0, 9), **ZAG)):
        judged = judge(built)
        assert {row.cited.split(",")[0] for row in claims_of(built, judged)} == {judged.theory.paper}


def test_a_map_whose_theory_says_nothing_says_why() -> None:
    contents, cells = residual_contents(lambda cell: 0.5, values=(0.0, 1.0))
    for one in contents:
        del one["data"]["p0"]
    built = phase_map.build(contents, cells)
    assert judge(built).verdict == (
        "The theory makes no prediction here: the results do not hold p0 and gamma0 of their data."
    )
    assert claims_of(built, judge(built)) == []
    turned = residual_map(lambda cell: 0.5, x_axis="depth", y_axis="beta_w", values=(5, 10), depth=5)
    assert "no depth on its vertical axis" in judge(turned).verdict


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("vv")
    contents, cells = residual_contents(
        rising(lambda trace: float(trace.log_s[-1]), -1, 8), lambda cell: float(trace_of(cell).log_p[-1]) > 9
    )
    built = phase_map.build(contents, cells)
    out = write(
        built,
        out=folder / "report.html",
        figures_dir=folder / "figures",
        contents=contents,
        provenance=[PROVENANCE],
        experiment_yaml=None,
    )
    return folder, out.read_text(encoding="utf-8")


def test_the_page_speaks_of_residual_networks_only(page: tuple[Path, str]) -> None:
    text = page[1]
    words = " ".join(re.sub(r"<[^>]+>", " ", text.split("<script")[0]).split())
    for part in (
        "Whole map",
        "Networks that did not diverge",
        "Where does training fail?",
        "as printed",
        "unseen depths",
    ):
        assert part in words
    verdict = words.split("Verdict")[1].split("The map")[0]
    assert "κ" not in verdict
    assert "predicts accuracy best" in verdict
    assert "white dashed line is the theory's prediction of the greatest" not in words
    assert 'value="s" checked' in text
    assert 'id="test_accuracy-s"' in text
    assert 'id="test_accuracy-corner-0"' in text
    assert 'value="frontier"' not in text


def test_the_figure_shows_test_and_training_accuracy(page: tuple[Path, str]) -> None:
    from phasemap.sweeps.figures.maps import heat_map

    assert (page[0] / "figures" / "vv-fig2-zig.png").is_file()
    figure = heat_map.panels(residual_map(lambda cell: 0.5), {})
    assert [ax.get_title() for ax in figure.axes[:2]] == ["test accuracy", "training accuracy"]


def test_reprs_are_one_short_line(tmp_path: Path) -> None:
    """Nothing that a user holds prints its arrays."""
    ranked = judge(residual_map(rising(log_chi_v, 0, 9), **ZAG))
    drawn = judge(a_map())
    assert repr(ranked) == "Judgement(test_accuracy, log χ_v⁽¹⁾/χ_v⁽ˡ⁾ predicts best)"
    assert drawn.agreement is not None
    held = [drawn, drawn.agreement, drawn.agreement.frontier, drawn.agreement.prediction, drawn.theory]
    for value in [*held, ranked, Folder(tmp_path), Folder(tmp_path).scan(1), Results()]:
        assert repr(value).startswith(type(value).__name__ + "(")
        assert "\n" not in repr(value)
        assert len(repr(value)) < 150 + len(str(tmp_path))
        assert "array" not in repr(value)
