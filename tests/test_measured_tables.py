"""Tables of the docs against the committed measurements that they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def results(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    return rows


def test_kappa_by_training_is_what_the_page_says() -> None:
    page = (ROOT / "docs" / "figures-bn-maps.md").read_text()
    for row in results("kappa_by_training"):
        cells = [f"{c['kappa']:.1f} ({c['low']:.1f} to {c['high']:.1f})" for c in row["columns"].values()]
        start = f"| {row['width_sum_lr']:.0f} | {row['width']} | {row['lr']} | {row['steps']} |"
        assert f"{start} {' | '.join(cells)} | {row['best']:.2f} |" in page


@pytest.mark.parametrize("size", ["16", "64"])
def test_at_equal_width_times_sum_lr_kappa_is_the_same_at_all_widths(size: str) -> None:
    """And at unequal ones it is not: the page's conclusion, from the intervals."""
    intervals = {
        (row["width"], row["width_sum_lr"]): (row["columns"][size]["low"], row["columns"][size]["high"])
        for row in results("kappa_by_training")
        if row["lr"] == 0.01
    }
    for product in (576, 2304):
        same = [ends for (_, one), ends in intervals.items() if one == product]
        assert len(same) >= 2
        assert max(low for low, _ in same) <= min(high for _, high in same)
    assert intervals[96, 144][0] < intervals[96, 576][0] < intervals[96, 2304][0]
    assert intervals[384, 576][1] < intervals[384, 2304][0]


def test_the_rates_where_networks_are_as_the_page_says() -> None:
    page = (ROOT / "docs" / "theory.md").read_text()
    for row in results("rate_where_networks_are"):
        assert f"| {row['limit']:.3f} ± {row['limit_error']:.3f} | {row['distance']:+.1f} |" in page
