"""The catalogue of figures, their style, and how one is drawn. `sweeps.report` and the commands import it."""
