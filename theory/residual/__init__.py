"""The theory of residual networks with VV and WV; the rooms above import its files, and you the names here."""

from typing import TYPE_CHECKING, Any

from phasemap.theory.lazy import attribute

if TYPE_CHECKING:
    from phasemap.theory.residual.recurrence import residual_recurrence
    from phasemap.theory.residual.trace import ResidualTrace

__all__ = ["ResidualTrace", "residual_recurrence"]
_LINES = {
    "residual_recurrence": "phasemap.theory.residual.recurrence",
    "ResidualTrace": "phasemap.theory.residual.trace",
}


def __getattr__(name: str) -> Any:
    return attribute(__name__, name, _LINES)
