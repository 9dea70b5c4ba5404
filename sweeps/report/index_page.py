"""The index over several reports: one page that shows each map with its verdict."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phasemap.sweeps.figures.trained.exhibit import Table
from phasemap.sweeps.report.tables import DASH, number
from phasemap.sweeps.report.templates import environment, inline
from phasemap.theory.errors import InputError

_ENTRY = re.compile(r'<script type="application/json" id="summary">(.*?)</script>', re.DOTALL)


def write(reports: Sequence[Path], *, out: Path) -> Path:
    """Writes ``out``: a card per report with its figure, caption, verdict and numbers, linked by relative paths.

    Everything is read from the reports themselves; nothing is computed again.

    Raises:
        InputError: no reports, or a file that is none of ours, one line each.
    """
    if not reports:
        raise InputError("index: there are no reports")
    mistakes, cards = [], []
    for report in reports:
        try:
            cards.append(_card(report, out))
        except (OSError, ValueError) as error:
            mistakes.append(f"{report}: not a report of phasemap: {error}")
    if mistakes:
        raise InputError(*mistakes)
    out.parent.mkdir(parents=True, exist_ok=True)
    text = environment().get_template("index.html").render(cards=cards, table=_table(cards), css=inline("report.css"))
    out.write_text(text, encoding="utf-8")
    return out


def write_over(folders: Sequence[str], *, out: Path | None) -> Path:
    """Writes one page over every report below ``folders``; ``index.html`` in the first of them by default.

    Raises:
        InputError: there are no reports.
    """
    reports = [report for folder in folders for report in find(Path(folder))]
    return write(reports, out=out or Path(folders[0]) / "index.html")


def find(folder: Path) -> list[Path]:
    """Every ``report.html`` below ``folder``, by path."""
    return sorted(folder.rglob("report.html"))


def _table(cards: Sequence[Mapping[str, Any]]) -> Table:
    """κ, scatter and ρ of every map that has one, beside each other; a dash for what an older report does not say."""

    def row(card: Mapping[str, Any]) -> tuple[str, ...]:
        ends, spread, best = card["interval"], card.get("spread"), card.get("best_scale")
        return (
            card["name"],
            number(card["kappa"], 1),
            f"{ends[0]:.1f} to {ends[1]:.1f}" if ends else DASH,
            number(spread, 3),
            f"{best[0]}: {number(best[1], 3)}" if best else DASH,
            number(card["rho"]),
            str(card["used"]),
            card["caption"],
        )

    header = ("map", "κ", "95% interval", "scatter", "the best scale's", "ρ", "columns used", "trained on")
    return Table("The maps' numbers", header, tuple(row(card) for card in cards if card["kappa"] is not None))


def _card(report: Path, out: Path) -> dict[str, Any]:
    found = _ENTRY.search(report.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("it holds no summary")
    entry: dict[str, Any] = json.loads(found[1])
    home = Path(os.path.relpath(report.parent.resolve(), out.parent.resolve()))
    return {
        **entry,
        "page": (home / report.name).as_posix(),
        "image": (home / entry["figure"]).as_posix() if entry["figure"] else None,
    }
