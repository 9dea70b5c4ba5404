"""YAML from outside: plain data only, each key once, and within bounds of size, depth and what aliases expand to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from phasemap.theory.errors import InputError
from phasemap.train.documents import DEEPEST, DocumentError, read_text

LARGEST = 2**22
"""Bytes of the largest file that is read."""
MOST_NODES = 100_000
"""Scalars, lists and mappings in a document, each as often as aliases name it."""
_TAG = "tag:yaml.org,2002:"
_PARENT: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _scalar_of(kind: str) -> Any:
    """The constructor of a scalar whose tag may promise what its text does not keep."""

    def construct(loader: Any, node: yaml.ScalarNode) -> Any:
        try:
            return getattr(_PARENT, f"construct_yaml_{kind}")(loader, node)
        except (ValueError, LookupError, OverflowError):
            problem = f"{node.value[:40]!r} is no {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    return construct


class _Loader(_PARENT):  # type: ignore[misc]
    """Makes what JSON has too: texts, numbers, true, false, null, lists and mappings. A date is a text."""

    yaml_implicit_resolvers: Any = {  # noqa: RUF012 (PyYAML's way)
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in _PARENT.yaml_implicit_resolvers.items()
    }
    yaml_constructors: Any = {  # noqa: RUF012
        **{_TAG + kind: _PARENT.yaml_constructors[_TAG + kind] for kind in ("null", "str", "seq", "map")},
        **{_TAG + kind: _scalar_of(kind) for kind in ("bool", "int", "float")},
        None: _PARENT.yaml_constructors[None],
    }


class _BeyondBoundsError(Exception):
    """A document that is larger or deeper than any sweep file."""

    def __init__(self, what: str, place: Any) -> None:
        super().__init__(what)
        self.line = place.start_mark.line + 1


@dataclass(frozen=True)
class YamlDocument:
    """What a text says.

    Attributes:
        value: made of dictionaries, lists and scalars. Nobody changes it: who asks again gets the same.
        lines: the line, counted from 1, of every key, by the keys that lead to it.
    """

    value: Any
    lines: Mapping[tuple[str, ...], int]


def read_yaml_file(path: Path) -> str:
    """The text of a YAML file. Raises InputError if it cannot be read, or is no text."""
    try:
        return read_text(path, LARGEST)
    except (OSError, DocumentError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from None


@lru_cache(maxsize=256)  # `phasemap list` asks for each file several times
def read_yaml(text: str, source: str) -> YamlDocument:
    """The document in ``text``; ``source`` names it in messages.

    Raises:
        InputError: it is no YAML, has a key twice (a line for each), holds other things than data, or is beyond a
            bound.
    """
    if len(text) > LARGEST:
        raise InputError(f"{source}: is longer than {LARGEST:,} characters")
    try:
        _check_events(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return YamlDocument(None, {})
        _count_nodes(root, 0, {})
        if twice := list(_keys_that_stand_twice(root)):
            raise InputError(*(f"{source}:{message}" for message in twice))
        lines = dict(_lines_of_keys(root, ()))
        return YamlDocument(loader.construct_document(root), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{min(mark.line + 1, len(text.splitlines()))}" if mark else ""  # a mark may lie behind the end
        raise InputError(f"{source}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from None
    except _BeyondBoundsError as error:
        raise InputError(f"{source}:{error.line}: {error}") from None


def _check_events(text: str) -> None:
    """Reads the text once without making anything of it: the parser goes on step by step, whatever its depth."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST:
            raise _BeyondBoundsError(f"nested more than {DEEPEST} times", event)
        if nodes > MOST_NODES:
            raise _BeyondBoundsError(f"more than {MOST_NODES:,} entries", event)


def _count_nodes(node: yaml.Node, depth: int, known: dict[int, int]) -> int:
    """The nodes below ``node``, and it, each as often as aliases name it."""
    if depth > DEEPEST:
        raise _BeyondBoundsError(f"aliases lead deeper than {DEEPEST} times, or in a circle", node)
    if id(node) not in known:
        count = 1 + sum(_count_nodes(child, depth + 1, known) for child in _children(node))
        if count > MOST_NODES:
            raise _BeyondBoundsError(f"aliases make more than {MOST_NODES:,} entries", node)
        known[id(node)] = count
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _keys_that_stand_twice(root: yaml.Node) -> Iterator[str]:
    """``LINE: KEY: stands twice …``, wherever in the document."""
    seen, waiting = {id(root)}, [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            first: dict[tuple[str, str], int] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                line, name = key.start_mark.line + 1, (key.tag, key.value)
                if name in first:
                    yield f"{line}: {key.value}: stands twice, in lines {first[name]} and {line}"
                first.setdefault(name, line)
        children = [child for child in reversed(_children(node)) if id(child) not in seen]
        seen.update(map(id, children))
        waiting += children


def _lines_of_keys(node: yaml.Node, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield (*place, key.value), key.start_mark.line + 1
                yield from _lines_of_keys(value, (*place, key.value))
