"""Where a run stands, and how that is shown. `sweeps.execution` may import it."""
