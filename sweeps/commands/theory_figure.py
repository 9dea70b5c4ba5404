"""``phasemap theory figure NAME``: the figures that need no training. Light to import: a figure's own code waits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from phasemap.theory.errors import InputError

FIGURES: Mapping[str, str] = {
    "bn-fig1": "bn_fig1:figure_1",
    "bn-fig1a": "bn_fig1:figure_1a",
    "bn-fig1b": "bn_fig1:figure_1b",
    "bn-fig1c": "bn_fig1:figure_1c",
    "bn-fig1d": "bn_fig1:figure_1d",
    "bn-fig2": "bn_fig2:figure_2",
    "bn-fig10": "bn_fig10:figure_10",
    "bn-eigenvalues": "bn_depth_scale_maps:figure_eigenvalues",
    "bn-map-gamma": "bn_depth_scale_maps:figure_gamma",
    "bn-map-beta": "bn_depth_scale_maps:figure_beta",
    "bn-map-eps-tanh": "bn_depth_scale_maps:figure_eps_tanh",
    "bn-map-eps-relu": "bn_depth_scale_maps:figure_eps_relu",
    "bn-small-batches": "bn_small_batches:figure_small_batches",
    "bn-width-transition": "bn_small_batches:figure_transition",
    "bn-relu30": "bn_relu30:figure_relu30",
    "vv-fig1": "vv_figures:draw_fig1",
    "vv-figA1": "vv_figures:draw_fig_a1",
    "vv-figA2": "vv_figures:draw_fig_a2",
    "vv-figB3": "vv_figures:draw_fig_b3",
    "vv-figB4": "vv_figures:draw_fig_b4",
}
"""Each name's function in sweeps/figures, which returns a matplotlib Figure. What it samples are its keywords."""


def figure_function(name: str) -> Callable[..., Any]:
    """The function that draws a figure.

    Raises:
        InputError: no such figure.
    """
    if name not in FIGURES:
        raise InputError(f"unknown figure {name!r}: expected one of {', '.join(FIGURES)}")
    module, function = FIGURES[name].split(":")
    found: Callable[..., Any] = getattr(import_module(f"phasemap.sweeps.figures.theory_only.{module}"), function)
    return found


def draw_figure(
    name: str,
    *,
    out: Path,
    networks: int | None = None,
    width: int | None = None,
    seed: int | None = None,
    style: str = "report",
) -> tuple[Path, Path]:
    """Draws one figure to ``out``/NAME.png and .pdf and returns their paths.

    Args:
        networks, width, seed: of the sampled networks; None is the figure's own quick scale.
        style: ``report`` or ``paper``.

    Raises:
        InputError: no such figure, a number out of range, or one for a figure that samples nothing.
    """
    function = figure_function(name)
    given = {
        key: value for key, value in (("networks", networks), ("width", width), ("seed", seed)) if value is not None
    }
    known = inspect.signature(function).parameters
    least = {"networks": 2, "width": 8, "seed": 0}
    mistakes = [f"--{key} {given[key]}: {name} draws theory only" for key in given if key not in known]
    mistakes += [
        f"--{key} {value}: expected at least {least[key]}"
        for key, value in given.items()
        if key in known and value < least[key]
    ]
    if mistakes:
        raise InputError(*mistakes)
    from phasemap.sweeps.figures.style import save, styled

    with styled(style):
        figure = function(**given)
    return save(figure, out / name, style)
