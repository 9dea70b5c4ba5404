"""``phasemap advise``: is a network trainable by theory, and what would make it so.

Every number comes from the theory at the very setting named; what it rests on (the factor κ, levels) comes from maps,
or is the paper's or the user's, and the answer says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phasemap.sweeps.advice.adviser import Record
from phasemap.sweeps.advice.catalogue import ADVISERS
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import wrong


def advise(arch: str, depth: int, given: Mapping[str, Any], map_source: str | None = None) -> Record:
    """The whole answer, ready for strict JSON.

    Args:
        given: the options that were given, by name: those of the adviser's setting, and of its evidence.
        map_source: an output folder or ``wandb:ENTITY/PROJECT/SWEEP``, in place of evidence.

    Raises:
        InputError: one line for every mistake.
    """
    if arch not in ADVISERS:
        raise InputError(f"--arch {arch}: expected one of {', '.join(ADVISERS)}")
    adviser = ADVISERS[arch]
    own = adviser.own_options()
    mistakes = [
        f"--{name.replace('_', '-')}: {arch} has none" for name in given if name not in {*own, *adviser.evidence}
    ]
    mistakes += wrong("depth", depth, "--depth")
    evidence = {name: given[name] for name in adviser.evidence if name in given}
    if map_source is not None:
        mistakes += [f"--{name.replace('_', '-')}: it comes from --map; give only one of them" for name in evidence]
    if mistakes:
        raise InputError(*mistakes)
    settings = {**adviser.defaults, **{name: value for name, value in given.items() if name in own}}
    return adviser.advise(depth, settings, evidence, map_source)


def text(record: Mapping[str, Any]) -> str:
    """The answer as lines for a person."""
    return "\n".join(ADVISERS[record["arch"]].lines(record))
