"""The Python front door: what ``import phasemap`` offers, each a few lines over the room that does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from torch import Tensor, nn

    from phasemap.train.probe.measure import Probe


def run(experiment: str, *, preset: str = "quick", out: str | Path | None = None, **options: Any) -> xr.Dataset:
    """Trains an experiment of ``phasemap list``, or a YAML file of your own, and gives its phase map.

    What was trained before in ``out`` is not trained again.

    Args:
        out: folder of the results; ``runs/EXPERIMENT-PRESET`` if not given.
        options: as ``sweeps.execution.run.run_experiment`` takes them: ``settings=["depth=[2, 4]"]``, ``workers=2`` …

    Raises:
        InputError: one line for every mistake, before anything is trained.
        RuntimeError: tiles failed, the disk is full, or the run was interrupted.
    """
    from phasemap.sweeps.execution.run import run_experiment

    folder = Path(out) if out is not None else Path("runs") / f"{Path(experiment).stem}-{preset}"
    code = run_experiment(experiment, preset=preset, out=folder, **options)
    if code:
        raise RuntimeError(f"the run ended with code {code}; phasemap status {folder} says what is left")
    return load(str(folder))


def load(*sources: str | Path) -> xr.Dataset:
    """The phase map of output folders and ``wandb:ENTITY/PROJECT/SWEEP`` sweeps, several merged.

    Raises:
        InputError: a source cannot be read, there are no results yet, or they do not make one map.
    """
    from phasemap.sweeps.sources.open_map import open_map

    return open_map([str(source) for source in sources])


def plot(phase_map: xr.Dataset, *, metric: str | None = None, ax: Axes | None = None) -> Axes:
    """Draws the map with what its theory predicts: the line or the contours, the frontier, the fitted line.

    Args:
        metric: the map's own if not given. ax: None makes a figure of its own.

    Returns:
        The axes; ``ax.figure.savefig("map.png")`` writes them.
    """
    from phasemap.sweeps.figures.maps.heat_map import draw
    from phasemap.sweeps.verdict.judgement import judge

    shown = metric or str(phase_map.attrs["metric"])
    judged = judge(phase_map, shown)
    contours = [field for field in judged.fields if not field.optional]
    return draw(phase_map, judged.agreement, ax=ax, metric=shown, fields=contours)


def probe(model: nn.Module, x: Tensor, **options: Any) -> Probe:
    """How signals and gradients propagate through your own network; ``train.probe.measure.probe`` has the options."""
    from phasemap.train.probe.measure import probe as measure

    return measure(model, x, **options)
