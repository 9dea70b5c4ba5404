"""Logging a tile to W&B: its cells whole into the run's summary. Without W&B, or without being asked, nothing."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

from phasemap.sweeps.store.key import canonical
from phasemap.sweeps.store.result import outcomes_and_accuracy, stamped
from phasemap.theory.errors import InputError
from phasemap.train.redaction import redacted
from phasemap.train.result_types import Result

MODES = ("auto", "online", "offline", "disabled")
RESULT = "phasemap_result"
"""Summary key of the whole result, the text of its file: numbers come back exactly as they were."""
PROJECT = "phasemap"
FAILURE = "phasemap_failure"
"""Summary key of why a run failed."""
PRIVATE: dict[str, Any] = {
    "console": "off",
    "disable_git": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "host": "somewhere",
    "program": "phasemap",
}
"""W&B's settings: no host name, no paths, no log with either. Versions and device are in the result's provenance."""


def resolve_mode(mode: str) -> Literal["online", "offline", "disabled"]:
    """``auto``: what WANDB_MODE says; else online within an agent or a resumed run, else disabled.

    Raises:
        InputError: no such mode, or W&B is wanted and not installed.
    """
    if mode not in MODES:
        raise InputError(f"--wandb {mode}: expected one of {', '.join(MODES)}")
    if mode == "auto":
        asked = os.environ.get("WANDB_MODE", "")
        within_agent = bool(os.environ.get("WANDB_SWEEP_ID") or os.environ.get("WANDB_RUN_ID"))
        mode = asked if asked in ("online", "offline") else "disabled" if asked or not within_agent else "online"
    if mode != "disabled" and importlib.util.find_spec("wandb") is None:
        raise InputError("--wandb: the package wandb is not installed here; pip install wandb, or --wandb disabled")
    return cast(Literal["online", "offline", "disabled"], mode)


class Log:
    """Takes what is said of one tile while it trains and when it is done. This one keeps nothing of it.

    Attributes:
        lost: whether W&B was asked for and could not be reached.
    """

    lost = False

    def progress(self, state: dict[str, Any]) -> None:
        """A sign of progress from the training."""

    def result(self, result: Result) -> None:
        """The tile's result."""


class WandbLog(Log):
    """Writes it to a W&B run."""

    def __init__(self, run: Any, key: str) -> None:
        self.run, self.key = run, key

    def progress(self, state: dict[str, Any]) -> None:
        """The fraction of the steps that is done."""
        self.run.log({"progress": state["steps_done"] / max(state["steps"], 1)})

    def result(self, result: Result) -> None:
        """The result whole, and per outcome and metric a number for W&B's own tables."""
        cells = result["content"]["cells"]
        accuracies = [cell["test_accuracy"] for cell in cells if cell["test_accuracy"] is not None]
        numbers: dict[str, float] = {
            f"cells_{outcome}": count for outcome, count in outcomes_and_accuracy(result).outcomes.items()
        }
        if accuracies:
            numbers["test_accuracy"] = sum(accuracies) / len(accuracies)
        self.run.summary.update({**numbers, RESULT: canonical(stamped(self.key, result))})
        import wandb

        with tempfile.TemporaryDirectory() as folder:
            self.run.log({"tile": wandb.Image(str(tile_picture(result, Path(folder) / "tile.png")))})


def tile_picture(result: Result, path: Path) -> Path:
    """Draws the tile's test accuracy along the map's vertical axis, one line a seed, into the PNG ``path``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    axis = str(result["content"]["parameters"]["y_axis"])
    by_seed: dict[int, list[tuple[Any, float]]] = {}
    for cell in result["content"]["cells"]:
        if cell["test_accuracy"] is not None:
            by_seed.setdefault(cell["seed"], []).append((cell["parameters"].get(axis, 0), cell["test_accuracy"]))
    figure = Figure(figsize=(4, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel=axis, ylabel="test accuracy", ylim=(0, 1))
    for seed, points in sorted(by_seed.items()):
        axes.plot(*zip(*sorted(points), strict=True), marker="o", label=f"seed {seed}")
    if by_seed:
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    return path


@contextmanager
def run_of(parameters: Mapping[str, Any], key: str, *, mode: str) -> Iterator[Log]:
    """The log of a tile: a W&B run around its training if ``mode`` resolves to one."""
    resolved = resolve_mode(mode)
    if resolved == "disabled":
        yield Log()
        return
    import wandb

    logging.getLogger("wandb").setLevel(logging.WARNING)  # its debug.log says where it lies
    # A sweep has its project.
    project = None if os.environ.get("WANDB_SWEEP_ID") else os.environ.get("WANDB_PROJECT") or PROJECT
    name = f"{parameters['experiment'] or 'tile'}-{key[:8]}"
    try:
        known = {name: value for name, value in PRIVATE.items() if name in wandb.Settings.model_fields}
        settings = wandb.Settings(**known)
        run = wandb.init(project=project, mode=resolved, config=dict(parameters), name=name, settings=settings)
    except wandb.Error as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(f"phasemap: warning: W&B cannot be reached ({reason}); the result will be in its file", file=sys.stderr)
        log = Log()
        log.lost = True
        yield log
        return
    ending: SystemExit | None = None
    try:
        with run:
            try:
                yield WandbLog(run, key)
            except SystemExit as error:  # the cluster takes the machine away, so W&B should hand the tile out again
                ending = error
                run.mark_preempting()
                raise
            except Exception as error:
                run.summary[FAILURE] = redacted(f"{type(error).__name__}: {error}".splitlines()[0])
                raise
    except Exception as error:
        if ending is None:
            raise
        # Its own process may have got the same signal. The tile is saved, and the next agents find its run dead.
        print(f"phasemap: warning: W&B was not told of the end ({type(error).__name__})", file=sys.stderr)
        raise ending from None
