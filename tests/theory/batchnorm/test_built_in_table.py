"""The table of built-in activations in docs/theory.md, computed again."""

from __future__ import annotations

import re

import pytest

from phasemap.theory.activations import BUILT_IN, activation
from phasemap.theory.batchnorm.infinite_batch import infinite_batch
from phasemap.theory.batchnorm.record import batchnorm_record
from tests import ROOT

BATCH_SIZES = (16, 64)


def rows() -> dict[str, list[str]]:
    """The cells of each row by what stands in its first."""
    page = (ROOT / "docs/theory.md").read_text(encoding="utf-8")
    section = page.partition("## The built-in activations\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {first: others for first, *others in cells[2:]}


def test_every_activation_has_a_row() -> None:
    assert [first.partition(",")[0] for first in rows()] == list(BUILT_IN)


@pytest.mark.parametrize(("first", "cells"), rows().items())
def test_a_row(first: str, cells: list[str]) -> None:
    name, _, options = first.partition(",")
    alpha = float(re.sub(r"^ α = ", "", options) or 1)
    for batch_size, shown in zip(BATCH_SIZES, (cells[:3], cells[3:]), strict=True):
        record = batchnorm_record(activation(name, alpha=alpha), batch_size, look_beyond=False)
        numbers = [f"{record['backward']['G']:.4f}", f"{record['forward']['L']:.4f}"]
        assert shown == [*numbers, "attracts" if record["stable"] else "repels"]


def test_of_those_that_bsb1_attracts_only_mish_leaves_it_in_larger_batches() -> None:
    attracted = [name for name, cells in rows().items() if cells[-1] == "attracts"]
    limits = {name: infinite_batch(activation(name)).forward.L for name in attracted}
    assert [name for name, rate in limits.items() if rate > 1 + 1e-12] == ["mish"]
    sizes = (128, 512, 2048, 8192)
    for name in set(attracted) - {"mish"}:
        assert all(batchnorm_record(activation(name), size)["forward"]["L"] < 1 for size in sizes), name
    below, above = (batchnorm_record(activation("mish"), size, look_beyond=False)["forward"] for size in (2177, 2178))
    assert below["L"] < 1 < above["L"]
