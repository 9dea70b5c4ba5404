"""What ``phasemap probe`` prints: two tables and a few sentences."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from phasemap.train.probe.measure import Probe
from phasemap.train.probe.report import layer_table, shown, step_table, summary


def print_probe(head: dict[str, Any], found: Probe) -> None:
    """Prints the answer; ``head`` says what was probed."""
    console = Console(width=120, highlight=False)
    console.print(
        f"{head['model']} ({head['class']}, {head['parameters']:,} parameters), input {head['input']} of shape "
        f"{tuple(head['input_shape'])}, batch size {head['batch_size']}, {head['dtype']}, {head['mode']} mode",
        markup=False,
    )
    for title, (header, rows), count in (
        ("Activations and gradients", layer_table(found), len(found.layers)),
        ("Steps of the explosion rate", step_table(found), len(found.points) - 1),
    ):
        if not rows:
            continue
        some = "" if len(shown(count)) == count else f" ({len(rows)} of {count} shown; --json has all)"
        table = Table(*header, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title + some, title_justify="left")
        for column in table.columns[3:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row)
        console.print(table, markup=False)
    for line in summary(found):
        console.print(line, markup=False, soft_wrap=True)
