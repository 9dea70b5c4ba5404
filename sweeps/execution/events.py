"""What an executor tells the scheduler: one small frozen class for each kind of event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from phasemap.sweeps.store.result import outcomes_and_accuracy
from phasemap.train.result_types import Result


@dataclass(frozen=True)
class Ready:
    """A worker can train now. Optional; ``measured`` says that it has measured this machine's speed on the way."""

    measured: bool = False


@dataclass(frozen=True)
class Started:
    """The tile's training begins. Optional; without it, it began when the tile was handed over."""

    key: str


@dataclass(frozen=True)
class Progress:
    """So much of the tile is trained. Optional."""

    key: str
    fraction: float


@dataclass(frozen=True)
class Done:
    """The tile's result is in its file; ``trained`` is false if it was there already."""

    key: str
    trained: bool
    outcomes: Mapping[str, int]
    accuracy: tuple[float, float] | None

    @classmethod
    def of(cls, key: str, result: Result, *, trained: bool) -> Done:
        """The event of a result."""
        found = outcomes_and_accuracy(result)
        return cls(key, trained, found.outcomes, found.accuracy)


@dataclass(frozen=True)
class Busy:
    """Another run is training the tile: it is tried again a little later."""

    key: str


@dataclass(frozen=True)
class Stopped:
    """The tile was not finished because the executor was told to stop. A checkpoint may have what was trained."""

    key: str


@dataclass(frozen=True)
class Failed:
    """The training raised. The tile is tried once more, unless it is ``final``: it would fail in the same way again."""

    key: str
    reason: str
    final: bool = False


@dataclass(frozen=True)
class Lost:
    """Whatever trained the tile is gone (killed, out of memory, stuck). The tile is tried once more."""

    key: str
    reason: str


@dataclass(frozen=True)
class Full:
    """The result could not be written because the disk is full: the run stops, and nothing is damaged."""

    key: str
    reason: str


@dataclass(frozen=True)
class Broken:
    """The executor cannot train at all: the run stops."""

    reason: str


Event = Ready | Started | Progress | Done | Busy | Stopped | Failed | Lost | Full | Broken
KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Ready, Started, Progress, Done, Busy, Stopped, Failed, Lost, Full, Broken)
}


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object, for an executor that hears of it from another process."""
    return {"event": type(event).__name__, **asdict(event)}


def from_json(document: Mapping[str, Any]) -> Event:
    """The event that `to_json` wrote."""
    kind = KINDS[document["event"]]
    values = {entry.name: document[entry.name] for entry in fields(kind)}
    if kind is Done and values["accuracy"] is not None:
        values["accuracy"] = tuple(values["accuracy"])
    return kind(**values)
