"""``phasemap glossary``: what the words in outputs and reports mean."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from phasemap.theory.errors import InputError, unknown_name


def command(
    word: Annotated[Optional[str], typer.Argument(help="one word; all if not given")] = None,  # noqa: UP045
    markdown: Annotated[bool, typer.Option("--markdown", help="as tables of a page")] = False,
) -> None:
    """What the words in outputs and reports mean: BSB1, κ, ξ, frontier, tile …

    Example: phasemap glossary BSB1
    """
    from phasemap.sweeps.glossary.words import GROUPS, SAME, words_like

    groups = GROUPS
    if word is not None:
        found = words_like(word)
        if not found:
            names = [part for group in GROUPS.values() for name in group for part in name.split(", ")]
            raise InputError(unknown_name(word, [*names, *SAME], "word"))
        groups = {"": found}
    print("\n\n".join(_table(title, words) if markdown else _text(title, words) for title, words in groups.items()))


def _text(title: str, words: dict[str, str]) -> str:
    lines = [f"{name}: {meaning}" for name, meaning in words.items()]
    return "\n".join([title, *(f"  {line}" for line in lines)] if title else lines)


def _table(title: str, words: dict[str, str]) -> str:
    rows = [tuple(text.replace("|", "\\|") for text in entry) for entry in words.items()]
    lines = [f"| {name} | {meaning} |" for name, meaning in rows]
    return "\n".join([*([f"## {title}", ""] if title else []), "| word | meaning |", "|---|---|", *lines])
