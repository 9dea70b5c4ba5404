"""Results from folders and W&B sweeps, as one thing. `sweeps.comparison`, `sweeps.advice` and the commands import it."""
