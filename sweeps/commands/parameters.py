"""``phasemap parameters``: the table of what a tile can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from phasemap.theory.errors import InputError

if TYPE_CHECKING:
    from phasemap.train.parameter_rows.row import Parameter

KINDS = {bool: "true or false", int: "integer", float: "number", str: "text"}
COLUMNS = ("parameter", "meaning", "also called", "default", "unit", "values", "stackable", "only of")


def command(
    name: Annotated[Optional[str], typer.Argument(help="one parameter; all if not given")] = None,  # noqa: UP045
    markdown: Annotated[bool, typer.Option("--markdown", help="as a table of a page")] = False,
) -> None:
    """What an experiment's YAML, --set and `phasemap train` can say: meaning, default, unit, valid values.

    Example: phasemap parameters batch_size
    """
    from phasemap.train.parameter_rows.other_names import unknown
    from phasemap.train.parameters import TABLE

    if name is not None and name not in TABLE:
        raise InputError(unknown(name, TABLE))
    rows = [row(one) for one in ([name] if name else TABLE)]
    print(_markdown(rows) if markdown else _text(rows))


def row(name: str) -> dict[str, str]:
    """The entries of ``COLUMNS`` of one parameter."""
    from phasemap.train.parameters import TABLE, owners

    one = TABLE[name]
    texts = (
        name,
        one.help,
        ", ".join(one.other_names),
        _default(one),
        one.unit,
        _values(one),
        "yes" if one.stackable else "",
        ", ".join(owners(name)),
    )
    return dict(zip(COLUMNS, texts, strict=True))


def _default(one: Parameter) -> str:
    if one.default is None:
        return "not given"
    return str(one.default).lower() if isinstance(one.default, bool) else str(one.default)


def _values(one: Parameter) -> str:
    return f"{KINDS[one.kind]}, {words}" if (words := one.expected_in_words) else KINDS[one.kind]


def _text(rows: list[dict[str, str]]) -> str:
    paragraphs = []
    for entry in rows:
        lines = [f"{entry['parameter']}: {entry['meaning']}"]
        lines += [f"    {column}: {entry[column]}" for column in COLUMNS[2:] if entry[column]]
        paragraphs.append("\n".join(lines))
    return "\n".join(paragraphs)


def _markdown(rows: list[dict[str, str]]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(tuple(entry.values()) for entry in rows)]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
