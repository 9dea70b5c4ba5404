"""The index over several reports: one page that shows each map with its verdict."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict
from urllib.parse import quote

from phasemap.sweeps.figures.trained.exhibit import Table
from phasemap.sweeps.report.draw import PAGES, kind_of
from phasemap.sweeps.report.tables import DASH, number
from phasemap.sweeps.report.templates import inline, write_page
from phasemap.theory.errors import InputError
from phasemap.train.documents import Count, DocumentError, Number, Text, from_json, read_text

LARGEST = 2**28
"""Bytes of the largest page that is read."""
_ENTRY = re.compile(r'<script type="application/json" id="summary">(.*?)</script>', re.DOTALL)


class _Numbers(TypedDict, total=False):
    kappa: Number | None
    interval: tuple[Number, Number] | None
    spread: Number | None
    best_scale: tuple[Text, Number] | None
    rho: Number | None
    used: Count | None


class Summary(_Numbers):
    """What a report says of itself to the index; the numbers are not all there in an older one."""

    name: Text
    caption: Text
    verdict: Text
    figure: Text | None


def write(reports: Sequence[Path], *, out: Path) -> Path:
    """Writes ``out``: a card per report with its figure, caption, verdict and numbers, linked by relative paths.

    Everything is read from the reports themselves; nothing is computed again. A page that is none of ours is left out,
    and told on standard error.

    Raises:
        InputError: there are no reports, or none of them is ours, one line each.
    """
    if not reports:
        raise InputError("index: there are no reports")
    mistakes, cards = [], []
    for report in reports:
        try:
            cards.append(_card(report, out))
        except (OSError, DocumentError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            mistakes.append(f"{report}: not a report of phasemap: {reason}")
    if not cards:
        raise InputError(*mistakes)
    for mistake in mistakes:
        print(f"phasemap: warning: {mistake}; left out", file=sys.stderr)
    return write_page(out, "index.html", cards=cards, table=_table(cards), css=inline("report.css"))


def write_over(folders: Sequence[str], *, out: Path | None) -> Path:
    """Writes one page over every report below ``folders``; ``index.html`` in the first of them by default.

    Raises:
        InputError: there are no such folders, or no reports.
    """
    kind_of(out, PAGES)
    if missing := [folder for folder in folders if not Path(folder).is_dir()]:
        raise InputError(*(f"{folder}: there is no such folder" for folder in missing))
    reports = [report for folder in folders for report in find(Path(folder))]
    if not reports:
        raise InputError(f"{', '.join(folders)}: there is no report.html below; phasemap report FOLDER draws one")
    return write(reports, out=out or Path(folders[0]) / "index.html")


def find(folder: Path) -> list[Path]:
    """Every ``report.html`` below ``folder``, by path."""
    return sorted(folder.rglob("report.html"))


def _table(cards: Sequence[Mapping[str, Any]]) -> Table:
    """κ, scatter and ρ of every map that has one, beside each other; a dash for what an older report does not say."""

    def row(card: Mapping[str, Any]) -> tuple[str, ...]:
        ends, spread, best = card["interval"], card["spread"], card["best_scale"]
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
    """What the index shows of a report. Raises OSError and DocumentError if it is none."""
    found = _ENTRY.search(read_text(report, LARGEST))
    if found is None:
        raise DocumentError("it holds no summary")
    entry: Summary = from_json(found[1], Summary)
    figure = PurePosixPath(entry["figure"]) if entry["figure"] else None
    if figure and (figure.is_absolute() or ".." in figure.parts):
        raise DocumentError(f"its figure lies elsewhere: {figure}")
    home = Path(os.path.relpath(os.path.realpath(report.parent), os.path.realpath(out.parent)))
    return {
        **dict.fromkeys(_Numbers.__annotations__),
        **entry,
        "place": (home / report.name).as_posix(),
        "page": _link(home / report.name),
        "image": _link(home / figure) if figure else None,
    }


def _link(path: Path) -> str:
    """The path as a relative address: a ``#``, ``?``, ``%`` or ``:`` in a name is part of the name."""
    return quote(path.as_posix(), errors="surrogateescape")
