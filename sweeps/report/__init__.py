"""The report: one self-contained page with the map, the verdict, the numbers and where they come from."""

from sweeps.report.writer import write

__all__ = ["write"]
