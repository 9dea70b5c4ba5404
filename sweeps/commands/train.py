"""``phasemap train``: one tile from flat parameters. The program that W&B agents call, and a tile by hand."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution import trainer as backends
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.key import tile_key
from phasemap.sweeps.store.result import ResultError, read, summary, write
from phasemap.theory.errors import InputError
from phasemap.train.machine.processes import die_with_parent


def parse(arguments: Sequence[str]) -> dict[str, Any]:
    """``--key value``, ``--key=value`` and JSON objects, in any mix, as raw parameters; dashes in keys are underscores.

    Raises:
        InputError: one line for every argument that is none of these, and for every key given twice.
    """
    raw: dict[str, Any] = {}
    mistakes: list[str] = []

    def take(key: str, value: Any) -> None:
        key = key.replace("-", "_")
        if key in raw and raw[key] != value:
            mistakes.append(f"{key}: given twice: {raw[key]!r} and {value!r}")
        raw[key] = value

    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument.lstrip().startswith("{"):
            try:
                document = json.loads(argument)
            except ValueError as error:
                mistakes.append(f"{argument[:40]!r}: not a JSON object: {error}")
                continue
            for key, value in document.items():
                take(key, value)
        elif not argument.startswith("--"):
            mistakes.append(f"{argument!r}: expected --key value, --key=value or a JSON object")
        elif "=" in argument:
            key, _, value = argument[2:].partition("=")
            take(key, value)
        elif rest and not rest[0].startswith("--"):
            take(argument[2:], rest.pop(0))
        else:
            mistakes.append(f"{argument}: has no value")
    if mistakes:
        raise InputError(*mistakes)
    return raw


def train(
    arguments: Sequence[str],
    *,
    out: Path | None = None,
    device: str | None = None,
    wandb_mode: str = "auto",
    backend_name: str = backends.DEFAULT,
    data_dir: Path | None = None,
) -> int:
    """Trains one tile, writes its result to ``OUT/tiles/KEY.json`` and, if asked or within an agent, logs it to W&B.

    A result that is there already is not trained again, but is logged. The result's path is the last line printed.

    Returns:
        0: done; 1: the result could not be written, or W&B did not get it.

    Raises:
        InputError: one line for every mistake, before anything is trained.
    """
    from phasemap.sweeps.wandb_bridge import log as wandb_log
    from phasemap.train.machine import devices
    from phasemap.train.parameters import normalise

    parameters = normalise(parse(arguments))
    backend = backends.by_name(backend_name)
    at_work = devices.parse(device.removeprefix("cuda:") if device and device != "cuda" else device and "0")[0]
    survey = backend.survey([parameters], data_dir)
    digest, _ = survey[backends.data_name(parameters)]
    dtype = backend.dtype(parameters, at_work)
    key = tile_key(parameters, dtype=dtype, data_digest=digest, semantics=backend.semantics)
    folder = Folder(out or Path("runs") / (parameters["experiment"] or "train"))
    path = folder.result_file(key)
    with _ended_by_signals() as ending, wandb_log.run_of(parameters, key, mode=wandb_mode) as log:
        result = _there(folder, key, backend.semantics)
        if result is None:
            result = backend.train(
                parameters,
                data_dir=data_dir,
                device=at_work,
                progress=log.progress,
                checkpoint=folder.checkpoint_file(key),
                stopping=lambda: ending.number is not None,
            )
            if result is None:
                raise SystemExit(128 + (ending.number or 0))
            try:
                write(path, result)
                folder.remove_checkpoint(key)
            except OSError as error:
                print(f"phasemap: error: {path}: {error.strerror}", file=sys.stderr)
                log.result(result)  # then at least W&B has it
                return 1
        log.result(result)
    told = summary(result)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(told["outcomes"].items()))
    span = "; test accuracy {:.2f}-{:.2f}".format(*told["accuracy"]) if told["accuracy"] else ""
    print(f"{outcomes}{span}")
    print(path)
    return 1 if log.lost else 0


@dataclass
class _Ending:
    """Whether the program is to end, and by which signal."""

    number: int | None = None


@contextmanager
def _ended_by_signals() -> Iterator[_Ending]:
    """Ends the program with 128 + number on SIGINT and SIGTERM, also within Lightning; and when a W&B agent dies.

    The first signal lets the training save its checkpoint after the present block, and W&B hear of it; the second ends
    the program at once.
    """
    ending = _Ending()

    def end(number: int, _frame: object) -> None:
        if ending.number is None:
            ending.number = number
            os.write(2, b"phasemap: ends when the tile is saved; again: at once\n")  # print may be at work itself
        else:
            raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    if os.environ.get("WANDB_SWEEP_ID"):
        die_with_parent(signal.SIGTERM)
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _there(folder: Folder, key: str, semantics: int) -> dict[str, Any] | None:
    """The tile's result, if it is there and valid; a damaged one is reported and trained again."""
    try:
        return read(folder.result_file(key), semantics=semantics)
    except FileNotFoundError:
        return None
    except ResultError as problem:
        print(f"phasemap: warning: {problem}; {folder.set_aside(problem)}", file=sys.stderr)
        return None
