"""The theory of residual networks with variance and width variation. The rooms above import its files; the names here are for you."""

from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace

__all__ = ["ResidualTrace", "residual_recurrence"]
