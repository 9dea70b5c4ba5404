"""An axis on which ξ is the same everywhere: no κ and no fitted line, but the range of frontier/ξ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phasemap.sweeps.advice.kappa import agreement_of
from phasemap.sweeps.annotated.dataset import annotated
from phasemap.sweeps.figures.maps.heat_map import draw
from phasemap.sweeps.phase_map.from_results import build
from phasemap.sweeps.report.map_page import write
from phasemap.sweeps.report.tables import multiples
from phasemap.sweeps.verdict.judgement import judge
from phasemap.theory.errors import InputError
from phasemap.train.cells import cells
from tests.sweeps.synthetic import PROVENANCE, content, tile_parameters

RATES = (0.01, 0.03, 0.1)


def frontier(cell: dict[str, float]) -> float:
    return {0.01: 12.0, 0.03: 20.0, 0.1: 31.0}[cell["lr"]]


@pytest.fixture(scope="module")
def built():
    tiles = [tile_parameters(lr=rate, x_axis="lr", experiment="rates") for rate in RATES]
    return build([content(tile, frontier) for tile in tiles], [cell for tile in tiles for cell in cells(tile)])


def test_the_range_of_the_multiple_stands_in_for_kappa(built) -> None:
    judged = judge(built)
    found = judged.agreement
    assert found is not None
    assert found.constant
    assert (found.kappa, found.interval, found.spread, found.rho) == (None, None, None, None)
    xi = float(found.prediction.xi[0])
    assert found.multiples == pytest.approx((12 / xi, 31 / xi), rel=0.03)
    low, high = found.multiples
    assert f"the frontier lies at {low:.1f} to {high:.1f} ξ; the paper says 16." in judged.verdict
    assert judged.collapses == []
    assert judged.contours == []
    attributes = annotated(built).attrs
    assert "kappa" not in attributes
    assert (attributes["multiple_low"], attributes["multiple_high"]) == found.multiples


def test_equal_multiples_are_one_number() -> None:
    tiles = [tile_parameters(lr=rate, x_axis="lr", experiment="rates") for rate in RATES]
    same = judge(build([content(tile, lambda cell: 20.0) for tile in tiles], None))
    assert same.agreement is not None
    low, high = same.agreement.multiples or (0.0, 1.0)
    assert low == pytest.approx(high)
    assert f"the frontier lies at {low:.1f} ξ; the paper says 16." in same.verdict
    assert multiples(same.agreement) == f"{low:.1f}"


def test_no_line_is_fitted_and_the_page_says_the_range(built, tmp_path: Path) -> None:
    ax = draw(built, judge(built).agreement)
    assert not [text for text in ax.texts if "fitted" in text.get_text()]
    assert [text for text in ax.texts if text.get_text().startswith("16 ξ")]
    page = write(
        built, out=tmp_path / "x.html", figures_dir=tmp_path, contents=[], provenance=[PROVENANCE], experiment_yaml=None
    ).read_text(encoding="utf-8")
    assert "so no multiple κ of it is fitted" in page
    assert "fitted multiple of ξ" not in page
    assert "pink line" not in page


def test_advice_takes_no_kappa_from_it(built) -> None:
    with pytest.raises(InputError, match=r"it gives no κ: ξ is the same in every column, .* --kappa takes one"):
        agreement_of(built, "runs/x", "bn-mlp")


def test_one_column_is_no_constant_and_a_critical_point_is_none(built) -> None:
    one = judge(built.isel(lr=[1])).agreement
    assert one is not None
    assert not one.constant
    assert one.kappa is not None
    twice = build(
        [content(tile_parameters(batch_size=size), lambda cell: 20.0) for size in (16, 64)],
        None,
    )
    found = judge(twice).agreement
    assert found is not None
    assert not found.constant
    assert np.isfinite(found.kappa or np.nan)
