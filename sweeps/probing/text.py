"""What ``phasemap probe`` prints: two tables and a few sentences."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from phasemap.sweeps.probing.tables import layer_table, step_table
from phasemap.train.probe.measure import Probe
from phasemap.train.probe.report import summary


def print_probe(head: dict[str, Any], found: Probe, *, every: bool = False) -> None:
    """Prints the answer; ``head`` says what was probed; with ``every`` also of layers without weights."""
    console = Console(width=120, highlight=False)
    console.print(
        f"{head['model']} ({head['class']}, {head['parameters']:,} parameters), input {head['input']} of shape "
        f"{tuple(head['input_shape'])}, batch size {head['batch_size']}, {head['dtype']}, {head['mode']} mode",
        markup=False,
    )
    for rows in (layer_table(found, every=every), step_table(found)):
        if not rows.cells:
            continue
        console.print(rows.title, markup=False, soft_wrap=True)
        table = Table(*rows.header, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for column in table.columns[3:]:
            column.justify = "right"
        for row in rows.cells:
            table.add_row(*row)
        console.print(table, markup=False)
    for line in summary(found):
        console.print(line, markup=False, soft_wrap=True)
