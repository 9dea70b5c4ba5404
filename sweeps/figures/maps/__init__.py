"""Pictures of phase maps. `sweeps.report` and the commands import it."""
