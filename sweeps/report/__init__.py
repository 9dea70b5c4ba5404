"""The report: one self-contained page with the map, the verdict, the numbers and where they come from.

`sweeps.execution` and the commands import it.
"""
