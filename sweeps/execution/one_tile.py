"""Trains one tile outside any run: what a W&B agent calls, and a tile by hand."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasemap.sweeps.execution.signals import Interrupts, interrupts
from phasemap.sweeps.execution.trainer import DEFAULT, data_name, trainer_named
from phasemap.sweeps.slurm.time_limit import stopping_before_the_limit
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.key import tile_key
from phasemap.sweeps.store.result import ResultError, outcomes_and_accuracy, read, write
from phasemap.theory.shown import shown
from phasemap.train.machine.processes import die_with_parent
from phasemap.train.result_types import Result

SAVED_WITHIN = 60.0
"""Seconds in which a tile is saved; a SIGTERM after that ends the program at once."""


def train_one_tile(
    raw: Mapping[str, Any],
    *,
    out: Path | None = None,
    device: str | None = None,
    wandb_mode: str = "auto",
    trainer: str = DEFAULT,
    data_dir: Path | None = None,
) -> int:
    """Trains one tile, writes its result to ``OUT/tiles/KEY.json`` and, if asked or within an agent, logs it to W&B.

    A result that is there already is not trained again, but is logged. The result's path is the last line printed.

    Args:
        raw: the tile's parameters as written.
        trainer: what trains it: a name for `trainer_named`.

    Returns:
        0: done; 1: the result could not be written, or W&B did not get it.

    Raises:
        InputError: one line for every mistake, before anything is trained.
        SystemExit: 128 + the number of the signal that ended it.
    """
    from phasemap.sweeps.wandb_bridge import log as wandb_log
    from phasemap.train.machine import devices
    from phasemap.train.parameters import normalise

    parameters = normalise(raw)
    chosen = trainer_named(trainer)
    at_work = devices.parse(device.removeprefix("cuda:") if device and device != "cuda" else device and "0")[0]
    digest, _ = chosen.survey([parameters], data_dir)[data_name(parameters)]
    dtype = chosen.dtype(parameters, at_work)
    key = tile_key(parameters, dtype=dtype, data_digest=digest, semantics=chosen.semantics)
    folder = Folder(out or Path("runs") / (parameters["experiment"] or "train"))
    path = folder.result_file(key)
    if os.environ.get("WANDB_SWEEP_ID"):
        die_with_parent(signal.SIGTERM)
    with (
        interrupts(_save_or_end) as asked_to_end,
        stopping_before_the_limit(),
        wandb_log.run_of(parameters, key, mode=wandb_mode) as log,
    ):
        result = _there(folder, key, chosen.semantics)
        if result is None:
            result = chosen.train(
                parameters,
                data_dir=data_dir,
                device=at_work,
                progress=log.progress,
                checkpoint=folder.checkpoint_file(key),
                stopping=lambda: bool(asked_to_end),
            )
            if result is None:
                raise SystemExit(128 + asked_to_end.numbers[0])
            try:
                write(path, result)
                folder.remove_checkpoint(key)
            except OSError as error:
                print(f"phasemap: error: {path}: {error.strerror}", file=sys.stderr)
                log.result(result)  # then at least W&B has it
                return 1
        log.result(result)
    found = outcomes_and_accuracy(result)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.outcomes.items()))
    span = "; test accuracy {:.2f}-{:.2f}".format(*found.accuracy) if found.accuracy else ""
    print(f"{outcomes}{span}")
    print(shown(str(path)))
    return 1 if log.lost else 0


def _save_or_end(asked_to_end: Interrupts) -> None:
    """The first signal lets the training save its checkpoint after the present block, and W&B hear of it; those that
    insist end the program at once."""
    if asked_to_end.insist(SAVED_WITHIN):
        raise SystemExit(128 + asked_to_end.numbers[-1])
    if len(asked_to_end) == 1:
        os.write(2, b"phasemap: ends when the tile is saved; Ctrl-C again: at once\n")  # print may be at work itself


def _there(folder: Folder, key: str, semantics: int) -> Result | None:
    """The tile's result, if it is there and valid; a damaged one is reported and trained again."""
    try:
        return read(folder.result_file(key), semantics=semantics)
    except FileNotFoundError:
        return None
    except ResultError as problem:
        print(f"phasemap: warning: {problem}; {folder.set_aside(problem)}", file=sys.stderr)
        return None
