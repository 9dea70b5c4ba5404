"""Phase maps as heat maps, with what lies over them. `sweeps.report` and the commands import it."""
