"""Results as a table: one row per cell, content only, in an order that depends on nothing but the content."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from phasemap.sweeps.store.key import canonical
from phasemap.theory.shown import shown
from phasemap.train.result_types import CellResult, Content

MEASURED = (
    "outcome",
    "diverged_at",
    "test_accuracy",
    "test_accuracy_batch",
    "train_accuracy",
    "train_accuracy_batch",
    "test_loss",
    "train_loss",
    "sum_lr",
    "steps",
)
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""With what a formula begins, in the programs that people open tables with."""


def rows(contents: Iterable[Content]) -> tuple[list[str], list[list[Any]]]:
    """Column names, and the cells' rows sorted by their parameters; a cell that several tiles hold is there once.

    Columns: the map's axes and the seed, every parameter that varies, ``dtype`` if it varies, and what was measured.
    """
    from phasemap.train.cells import identity
    from phasemap.train.parameters import TABLE

    once: dict[str, tuple[CellResult, Content]] = {}
    for content in contents:
        which = [content["semantics"], content["dtype"], content["data"]["digest"]]
        for cell in content["cells"]:
            known = {name: value for name, value in cell["parameters"].items() if name in TABLE}
            once.setdefault(canonical([identity(known), *which]), (cell, content))
    cells = list(once.values())
    distinct: dict[str, set[str]] = {}
    for cell, content in cells:
        for name, value in [*cell["parameters"].items(), ("resolved_dtype", content["dtype"])]:
            distinct.setdefault(name, set()).add(repr(value))
    shown = {"seed"}
    for cell, _ in cells[:1]:
        shown |= {str(cell["parameters"][axis]) for axis in ("x_axis", "y_axis")}
    names = [name for name in TABLE if name in distinct and (name in shown or len(distinct[name]) > 1)]
    resolved = ["resolved_dtype"] if len(distinct.get("resolved_dtype", ())) > 1 else []
    table = [
        [
            *(cell["parameters"].get(name) for name in names),
            *([content["dtype"]] if resolved else []),
            *_measured(cell),
        ]
        for cell, content in cells
    ]
    table.sort(key=lambda row: [_order(value) for value in row])
    return [*names, *resolved, *MEASURED], table


def _measured(cell: Mapping[str, Any]) -> list[Any]:
    return [cell[name] for name in MEASURED]


def _order(value: Any) -> tuple[int, float, str]:
    """Sorts null, then numbers by value, then texts."""
    if value is None:
        return 0, 0.0, ""
    return (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")


def to_csv(contents: Iterable[Content]) -> str:
    """The cells as CSV."""
    return as_csv(*rows(contents))


def as_csv(names: Sequence[str], table: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV: floats by their shortest exact spelling, null as nothing; texts as texts in every program."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_spelt(value) for value in row] for row in table)
    return text.getvalue()


def _spelt(value: Any) -> Any:
    """A cell. A text that a table program would take for a formula gets an apostrophe in front, as one writes it there;
    control characters are shown."""
    if isinstance(value, str):
        text = shown(value)
        return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text
    return "" if value is None else repr(value) if isinstance(value, float) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
