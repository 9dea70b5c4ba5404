"""What a parameter is called elsewhere: who writes ``learning_rate`` is told that it is ``lr`` here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from phasemap.theory.ranges import brief
from phasemap.train.parameter_rows.row import Parameter

_COUNT = re.compile(r"^(n|num|number_of|no_of|max|total)[_ -]+")
MOST = 2
"""Parameters that a message proposes."""


def unknown(name: str, table: Mapping[str, Parameter], what: str = "parameter") -> str:
    """The line that says that there is no parameter ``name``, with the one that is called so elsewhere, or the nearest.

    Case, dashes and words such as ``num_`` do not count.
    """
    own: dict[str, list[str]] = {_plain(each): [each] for each in table}
    elsewhere: dict[str, list[str]] = {}
    for each, row in table.items():
        for other in row.other_names:
            elsewhere.setdefault(_plain(other), []).append(each)
    spellings = [_plain(name), _plain(_COUNT.sub("", name.lower()))]
    near = next((known[one] for one in spellings for known in (own, elsewhere) if one in known), [])
    for known in (own, elsewhere):
        near = near or [each for one in difflib.get_close_matches(spellings[-1], known, n=MOST) for each in known[one]]
    hint = f"; did you mean {' or '.join(list(dict.fromkeys(near))[:MOST])}?" if near else ""
    return f"unknown {what} {brief(name)}{hint}"


def _plain(name: str) -> str:
    """In small letters, without what is between the words."""
    return re.sub(r"[\W_]+", "", name.lower())
