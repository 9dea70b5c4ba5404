"""Trainability phase maps: train a grid of deep networks, draw the theory's prediction over the heat map.

``phasemap.run`` trains an experiment, ``load`` opens its map, ``plot`` draws it, ``probe`` looks into a network of your
own, and ``theory`` predicts without training. All are imported when they are used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phasemap import theory
    from phasemap.front_door import load, plot, probe, run

    __version__: str

__all__ = ["load", "plot", "probe", "run", "theory"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "theory":
        return import_module("phasemap.theory")
    if name == "__version__":
        return import_module("importlib.metadata").version("phasemap")
    if name in __all__:
        return getattr(import_module("phasemap.front_door"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
