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


ADVISED = json.loads((ROOT / "benchmarks" / "results" / "advised_settings.json").read_text())["questions"]


def test_advised_settings_are_what_the_page_shows() -> None:
    page = (ROOT / "docs" / "advise.md").read_text()
    assert (ROOT / "benchmarks" / "results" / "advised_settings.md").read_text() in page
    assert len(ADVISED) == 20
    for row in ADVISED:
        old, new = row["replaced"], row["advised"]
        shown = f"{old['mean']:.3f} ± {old['half_interval']:.3f} | {new['mean']:.3f} ± {new['half_interval']:.3f} |"
        assert any(row["name"] in line and line.endswith(shown) for line in page.splitlines()), row["name"]


@pytest.mark.parametrize("row", ADVISED, ids=lambda row: row["name"])
def test_no_advised_setting_is_at_chance_or_worse_than_what_it_replaces(row: dict[str, Any]) -> None:
    old, new = row["replaced"], row["advised"]
    assert new["verdict"] in ("trainable", "within")
    assert new["mean"] > new["chance"] + 0.1 * (1 - new["chance"])
    assert new["mean"] >= old["mean"] - old["half_interval"]


def test_the_advised_settings_are_of_both_architectures_and_both_sides_of_the_critical_eps() -> None:
    assert {row["arch"] for row in ADVISED} == {"bn-mlp", "resnet"}
    replaced = [row["name"] for row in ADVISED if "above the critical eps" in row["name"]]
    assert len(replaced) == 3
