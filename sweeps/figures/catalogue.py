"""The catalogue of figures that are no heat map: what each shows, what it takes, and the function that draws it.

Light to import: a figure's own code waits until it is drawn. The heat map itself is what an experiment's report draws
unless its parameter ``picture`` names an exhibit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from phasemap.theory.catalogue import Catalogue
from phasemap.theory.errors import InputError
from phasemap.theory.user_code import is_user_code, load_user_module
from phasemap.train.presentation import HEAT_MAP


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: by which ``phasemap theory figure`` draws it, or the parameter ``picture`` asks for it.
        function: ``module:function``, or ``path/to/file.py:function``. It returns a matplotlib Figure, and its keywords
            are what it samples (``networks``, ``width``, ``seed``). That of a trained figure makes an ``Exhibit`` of
            the results' contents.
        shows: in a line.
        seconds: of one CPU core, measured at the quick scale of what it samples; of an exhibit, without the training.
        trained: whether it needs results.
    """

    name: str
    function: str
    shows: str
    seconds: float
    trained: bool = False

    def load(self) -> Callable[..., Any]:
        """The function. Raises InputError for a file of your own that fails to load."""
        if is_user_code(self.function):
            module, name = load_user_module(self.function)
        else:
            path, _, name = self.function.partition(":")
            module = import_module(path)
        found: Callable[..., Any] = getattr(module, name)
        return found


FIGURES: Catalogue[Figure] = Catalogue("figure", {})


def register(figure: Figure) -> None:
    """Adds a figure. Raises ValueError for a name taken."""
    FIGURES.register(figure.name, figure)


_WITHOUT_TRAINING = (
    (
        "bn-fig1",
        "bn_fig1:figure_1",
        "Fig. 1: gradients, eigenvalues and the fixed point's loss of symmetry, beside sampled networks",
        50.0,
    ),
    ("bn-fig1a", "bn_fig1:figure_1a", "Fig. 1(a): backward eigenvalues over batch size", 20.0),
    ("bn-fig1b", "bn_fig1:figure_1b", "Fig. 1(b): gradients over depth", 18.0),
    ("bn-fig1c", "bn_fig1:figure_1c", "Fig. 1(c): the transition of alpha-ReLU", 7.0),
    ("bn-fig1d", "bn_fig1:figure_1d", "Fig. 1(d): covariances on both sides of it", 1.0),
    ("bn-fig2", "bn_fig2:figure_2", "Figs. 2 and 6: two mini-batches of a circle, layer by layer", 6.0),
    (
        "bn-fig10",
        "bn_fig10:figure_10",
        "Fig. 10: what each Gegenbauer degree of an activation does to the fixed point's stability",
        1.0,
    ),
    (
        "bn-eigenvalues",
        "bn_depth_scale_maps:figure_eigenvalues",
        "beyond the paper: every eigenvalue over batch size",
        1.0,
    ),
    (
        "bn-map-gamma",
        "bn_depth_scale_maps:figure_gamma",
        "beyond the paper: depth scale over batch size and gamma, tanh",
        2.0,
    ),
    (
        "bn-map-beta",
        "bn_depth_scale_maps:figure_beta",
        "beyond the paper: depth scale over batch size and beta, relu",
        3.0,
    ),
    (
        "bn-map-eps-tanh",
        "bn_depth_scale_maps:figure_eps_tanh",
        "beyond the paper: depth scale over batch size and eps, tanh",
        4.0,
    ),
    (
        "bn-map-eps-relu",
        "bn_depth_scale_maps:figure_eps_relu",
        "beyond the paper: depth scale over batch size and eps, relu",
        8.0,
    ),
    ("bn-small-batches", "bn_small_batches:figure_small_batches", "App. J: batches of 2 to 8 over the width", 9.0),
    (
        "bn-width-transition",
        "bn_small_batches:figure_transition",
        "App. J: an activation that wide networks keep symmetric",
        9.0,
    ),
    (
        "bn-relu30",
        "bn_relu30:figure_relu30",
        "Remark K.7: gradients of max(z, 0)^30 in float32, float64 and 150 digits",
        1.0,
    ),
    ("vv-fig1", "vv_figures:draw_fig1", "Fig. 1: width variation, beside sampled networks", 17.0),
    ("vv-figA1", "vv_figures:draw_fig_a1", "Fig. A.1: p, s, e and gradient ratios over the zig of ReLU networks", 6.0),
    ("vv-figA2", "vv_figures:draw_fig_a2", "Fig. A.2: the same over the zag", 6.0),
    ("vv-figB3", "vv_figures:draw_fig_b3", "Fig. B.3: gradient ratios of ReLU networks against Thm C.11", 5.0),
    ("vv-figB4", "vv_figures:draw_fig_b4", "Fig. B.4: p and its increments of ReLU networks against Thm C.9", 9.0),
    (
        "dip-fig1",
        "dip_fig1:figure_1",
        "Deep Information Propagation, Fig. 1: order and chaos of tanh networks over σ_w² and σ_b²",
        4.0,
    ),
)
"""Name, function in ``theory_only``, what it shows, seconds."""
_EXHIBITS = (
    ("layers", "bn_fig4:exhibit", "weights and gradients by layer in the first steps of training", 2.0),
    ("relative-gradients", "bn_fig7:exhibit", "relative gradients by layer, some epochs apart", 2.0),
    ("best-rates", "bn_fig8:best_exhibit", "accuracy over learning rate and β or ε of BN, the other at its best", 3.0),
    ("default-rates", "bn_fig8:default_exhibit", "the same, the other at its default", 3.0),
)
"""The same of what needs results, in ``trained``."""
for _name, _function, _shows, _seconds in _WITHOUT_TRAINING:
    register(Figure(_name, f"phasemap.sweeps.figures.theory_only.{_function}", _shows, _seconds))
for _name, _function, _shows, _seconds in _EXHIBITS:
    register(Figure(_name, f"phasemap.sweeps.figures.trained.{_function}", _shows, _seconds, trained=True))


def theory_figures() -> list[Figure]:
    """The figures that need no training."""
    return [one for one in FIGURES.values() if not one.trained]


def theory_figure(name: str) -> Figure:
    """A figure that needs no training. Raises InputError if there is none of that name."""
    known = {one.name: one for one in theory_figures()}
    if name not in known:
        raise InputError(f"unknown figure {name!r}: expected one of {', '.join(known)}")
    return known[name]


def exhibit(picture: str) -> Figure:
    """What the parameter ``picture`` asks for: an exhibit by its name, or ``path/to/file.py:function``.

    Raises:
        InputError: there is none of that name.
    """
    if is_user_code(picture):
        return Figure(picture, picture, "of your own", 0.0, trained=True)
    known = {one.name: one for one in FIGURES.values() if one.trained}
    if picture not in known:
        raise InputError(f"picture: {picture!r}: expected one of {', '.join((HEAT_MAP, *known))}")
    return known[picture]
