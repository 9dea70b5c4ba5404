"""Results from folders and W&B sweeps as one thing, their phase map, and how far they are.

`sweeps.advice`, `sweeps.report`, `sweeps.execution` and the commands import it.
"""
