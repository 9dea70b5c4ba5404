"""The README's table, made of the JSON that the bench wrote; nothing in it is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.train.bench.cases import AGENT, ENGINE, JAX, LIGHTNING, PLAIN, VMAP, WORKERS

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
COLUMNS = {
    f"{ENGINE}/{AGENT}": "a process per cell",
    f"{ENGINE}/{LIGHTNING}": "Lightning",
    f"{ENGINE}/{PLAIN}": "plain PyTorch",
    f"{ENGINE}/{VMAP}": "vmap",
    f"{ENGINE}/{JAX}": "JAX",
}
TWO_WORKERS = (f"{WORKERS}/{AGENT}", f"{WORKERS}/{PLAIN}")
"""What two workers are compared with: the slowest rival of the row."""


def read(path: Path) -> dict[str, Any]:
    """The results in a file.

    Raises:
        InputError: it is not there, or holds something else.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"--table {path}: {error.strerror}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("schema") != 1 or "rows" not in found:
        raise InputError(f"--table {path}: expected a JSON file that phasemap bench wrote")
    return found


def block(results: Mapping[str, Any]) -> str:
    """One sentence and one table, without the marks around them. Measured on a busy machine they are by processor time,
    which says nothing of two workers."""
    rows = {name: row for name, row in results["rows"].items() if row.get("ratios")}
    columns = [ratio for ratio in COLUMNS if any(ratio in row["ratios"] for row in rows.values())]
    busy = results["idle"] is False
    two = not busy and any(ratio in row["ratios"] for row in rows.values() for ratio in TWO_WORKERS)
    head = ["trained cells", *(COLUMNS[ratio] for ratio in columns), *(["two workers"] if two else [])]
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    for row in rows.values():
        cells = [_times(row["ratios"].get(ratio), busy) for ratio in columns]
        workers = next((row["ratios"][ratio] for ratio in TWO_WORKERS if ratio in row["ratios"]), None)
        lines.append(_line([row["what"], *cells, *([_times(workers, busy)] if two else [])]))
    return "\n".join([_sentence(results), "", *lines])


def replace(text: str, new: str) -> str:
    """``text`` with ``new`` between the marks.

    Raises:
        InputError: the marks are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"--into: there are no lines {BEGIN} and {END}")
    return f"{before}{begin}\n{new}\n{end}{after}"


def targets(results: Mapping[str, Any]) -> list[str]:
    """A line for every target, what was wanted and what was measured, and one for where a step's time goes."""
    lines = []
    for name, row in results["rows"].items():
        for target in row.get("targets", ()):
            lines.append(_target(f"{name}: {target['ratio']}", target["measured"], f"≥ {target['at_least']:g}", target))
        if shares := row.get("profile", {}).get("shares"):
            lines.append(f"{name}: of a step " + ", ".join(f"{kind} {part:.0%}" for kind, part in shares.items()))
    for entry in results.get("startup") or ():
        lines.append(_target(entry["command"], entry["seconds"]["median"], f"≤ {entry['at_most']:g} s", entry))
    grid = results["rows"].get("grid", {})
    if "minutes" in grid:
        lines.append(_target("grid: minutes", grid["minutes"], f"≤ {grid['at_most']:g}", grid))
    return lines


def _target(what: str, measured: float | None, wanted: str, entry: Mapping[str, Any]) -> str:
    if measured is None:
        return f"{what}: not measured (target {wanted})"
    return f"{what}: {measured:.3g} (target {wanted}: {'reached' if entry['reached'] else 'missed'})"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _times(ratio: Mapping[str, float] | None, busy: bool) -> str:
    """Of a busy machine the processor's clock tells more than the wall's."""
    measured = ratio and ratio["by_cpu_time" if busy else "median"]
    return f"{measured:.3g}×" if measured else "–"


def _sentence(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    where = machine["gpu"] or f"{machine['processor']}, {machine['cores']} cores"
    busy = ", by processor time and provisional, as it was busy with other work" if results["idle"] is False else ""
    threads = ", every process on one thread" if results["threads_per_process"] == 1 else ""
    return (
        f"Training steps per second of one worker process against other ways to train the same cells{threads} "
        f"(medians of {results['repeats']} repetitions on {where}{busy}; [how it is measured](docs/bench.md)):"
    )
