"""The Python front door: what ``import phasemap`` offers, each a few lines over the room that does the work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phasemap.theory.errors import InputError
from phasemap.theory.trust import reading

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from torch import nn

    from phasemap.train.probe.measure import Probe

SOURCE = "a folder, or wandb:ENTITY/PROJECT/SWEEP"


def run(
    experiment: str | Path,
    *,
    preset: str | None = None,
    set: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> xr.Dataset:
    """Trains an experiment of ``phasemap list``, or a YAML file of your own, and gives its phase map as ``load`` does.

    What was trained before in ``out`` is not trained again. A notebook or a terminal has a progress bar, all else plain
    lines.

    Args:
        preset: ``smoke``, ``quick`` or ``paper``; ``quick`` if not given, or a file without presets as it is.
        set: parameters in place of the experiment's, ``{"depth": [2, 4], "lr": 0.01}``, as ``--set`` takes them.
        out: folder of the results; ``runs/EXPERIMENT-PRESET`` if not given.
        options: as ``sweeps.execution.run.run_experiment`` takes them: ``workers=2``, ``quiet=True`` …

    Raises:
        InputError: one line for every mistake, before anything is trained.
        RuntimeError: tiles failed, the disk is full, or the run was interrupted.
    """
    from phasemap.notebook import notebook_progress
    from phasemap.sweeps.execution.run import run_experiment
    from phasemap.sweeps.experiments.usual_preset import usual_preset

    preset = usual_preset(str(experiment)) if preset is None else preset
    folder = Path(out) if out is not None else Path("runs") / f"{Path(experiment).stem}-{preset}"
    settings = [f"{name}={_as_yaml(value)}" for name, value in _named("set", set).items()]
    options.setdefault("shows", notebook_progress)
    code = run_experiment(str(experiment), preset=preset, out=folder, settings=settings, **options)
    if code:
        raise RuntimeError(f"the run ended with code {code}; phasemap status {folder} says what is left")
    return load(folder, trust=True)


def _named(what: str, values: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if values is not None and not isinstance(values, Mapping):
        raise InputError(f'{what}: {values!r}: expected values by name, such as {{"width": 64}}')
    return values or {}


def _check_metric(metric: str | None) -> None:
    from phasemap.train.presentation import METRICS

    if metric is not None and metric not in METRICS:
        raise InputError(f"metric {metric!r}: expected one of {', '.join(METRICS)}")


def _as_yaml(value: Any) -> str:
    value = value.tolist() if hasattr(value, "tolist") else value
    return value if isinstance(value, str) else json.dumps(value)


def load(
    *sources: str | Path,
    x: str | None = None,
    y: str | None = None,
    fix: Mapping[str, Any] | None = None,
    metric: str | None = None,
    curves: bool = False,
    trust: bool = False,
) -> xr.Dataset:
    """The phase map of output folders and ``wandb:ENTITY/PROJECT/SWEEP`` sweeps, several merged, with ξ, the predicted
    line, the frontier and κ in it (``sweeps.annotated.dataset.annotated`` lists the variables).

    Args:
        x, y: parameters of the axes; the experiment's own if not given. fix: the one value of each of some parameters,
            where more vary than a map shows: ``{"width": 64}``.
        metric: the accuracy that the frontier belongs to; the map's own if not given.
        curves: whether the training losses over the steps come with it, as ``loss_curve`` and ``loss_step``.
        trust: whether Python files that the results name (an activation of somebody's own) may be run; else what needs
            them is left out. Those that this process has run already may.

    Raises:
        InputError: a source cannot be read, there are no results yet, they do not make one map, or no such metric.
    """
    from phasemap.sweeps.annotated.dataset import annotated
    from phasemap.sweeps.annotated.loss_curves import with_loss_curves
    from phasemap.sweeps.phase_map.view import view
    from phasemap.sweeps.sources.open_map import map_of, open_results

    _check_metric(metric)
    if not sources:
        raise InputError(f"load: expected {SOURCE}")
    for source in sources:
        if not isinstance(source, (str, Path)):
            raise InputError(f"load: {source!r}: expected {SOURCE}; of several each is an argument")
    with reading(trust=trust):
        results = open_results([str(source) for source in sources], view(x, y, _named("fix", fix)))
        found = annotated(map_of(results), metric)
    return with_loss_curves(found, results.contents) if curves else found


def plot(
    phase_map: xr.Dataset | str | Path,
    *,
    x: str | None = None,
    y: str | None = None,
    fix: Mapping[str, Any] | None = None,
    metric: str | None = None,
    overlay: str | None = None,
    ax: Axes | None = None,
    colour_bar: bool = True,
    trust: bool = False,
) -> Axes:
    """Draws the map with what its theory predicts: the line or the contours, the frontier, the fitted line.

    Args:
        phase_map: what ``load`` gives, or a source for it.
        x, y, fix: as ``load`` has them; of a map at hand its axes may change places, and one value of an axis, or
            seed, be taken.
        metric: the map's own if not given.
        overlay: ``xi``, the name of a quantity (``p``, ``s``, ``s|chi`` …), or ``none`` for the bare map; the map's own
            if not given.
        ax: the current axes of pyplot if not given. colour_bar: whether a colour bar is drawn beside them.
        trust: as ``load`` has it.

    Returns:
        The axes; ``ax.figure.savefig("map.png")`` writes them.

    Raises:
        InputError: as ``load``; an overlay that the map's theory does not have, or no such axes.
    """
    from matplotlib.axes import Axes

    from phasemap.sweeps.figures.maps.heat_map import draw
    from phasemap.sweeps.phase_map.reshaped import reshaped
    from phasemap.sweeps.phase_map.view import view
    from phasemap.sweeps.verdict.judgement import judge
    from phasemap.train.presentation import NO_OVERLAY

    _check_metric(metric)
    if ax is not None and not isinstance(ax, Axes):
        raise InputError(f"ax: {type(ax).__name__}: expected one Axes of matplotlib, such as plt.gca()")
    if isinstance(phase_map, (str, Path)):
        phase_map = load(phase_map, x=x, y=y, fix=fix, trust=trust)
    elif "x_axis" in getattr(phase_map, "attrs", {}):
        phase_map = reshaped(phase_map, view(x, y, _named("fix", fix)))
    else:
        raise InputError(f"plot: {type(phase_map).__name__}: expected what phasemap.load gives, or a source for it")
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.gca()
    shown = metric or str(phase_map.attrs["metric"])
    if overlay is not None:
        phase_map = _with_overlay(phase_map, overlay)
    if phase_map.attrs["overlay"] == NO_OVERLAY:
        return draw(phase_map, None, ax=ax, metric=shown, colour_bar=colour_bar)
    with reading(trust=trust):
        judged = judge(phase_map, shown)
        contours = [field for field in judged.fields if not field.optional]
        return draw(phase_map, judged.agreement, ax=ax, metric=shown, fields=contours, colour_bar=colour_bar)


def _with_overlay(phase_map: xr.Dataset, overlay: str) -> xr.Dataset:
    from phasemap.sweeps.overlays.catalogue import theory_of
    from phasemap.train.presentation import NO_OVERLAY

    theory = theory_of(phase_map)
    offered = (*theory.lines, *theory.contours, NO_OVERLAY)
    if not all(name in offered for name in overlay.split("|")):
        raise InputError(f"overlay {overlay!r}: expected one of {', '.join(offered)}")
    return phase_map.assign_attrs(overlay=overlay)


def probe(model: nn.Module, *inputs: Any, seed: int = 0, mode: str = "train", **keywords: Any) -> Probe:
    """How signals and gradients propagate through your own network, called as ``model(*inputs, **keywords)``.

    Args:
        model: any ``torch.nn.Module``; it is left as it was.
        inputs, keywords: what the model takes: tensors (of integers, too), or tuples, lists and mappings of them; at
            least one with a batch of two or more samples along the first dimension.
        seed: of the random gradient at the output, and of what the forward pass draws (dropout).
        mode: ``train`` (batch statistics, dropout at work), ``eval``, or ``as-is``.

    Raises:
        InputError: as ``train.probe.measure.probe``.
    """
    from phasemap.train.probe.measure import probe as measure

    return measure(model, *inputs, keywords=keywords, seed=seed, mode=mode)
