"""Text from other people's files, made fit for a terminal, a page and a picture: control characters are shown, never
obeyed."""

from __future__ import annotations

import codecs
import json
import re
import sys
from typing import Any

_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]")
"""Control characters and line ends, marks that change the direction of writing, halves of characters."""
_OBEYED_IN_LINES = re.compile(_OBEYED.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


def shown(text: str, *, lines: bool = False) -> str:
    r"""The text with ``\x1b`` for an escape character, and so on; with ``lines``, line feeds stay."""
    return (_OBEYED_IN_LINES if lines else _OBEYED).sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def print_json(document: Any) -> None:
    r"""Prints strict JSON, as UTF-8; where standard output is not, letters beyond ASCII are ``\u03bb``."""
    try:
        utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    except LookupError:
        utf8 = False
    print(json.dumps(document, allow_nan=False, ensure_ascii=not utf8))
