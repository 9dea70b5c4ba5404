"""Every picture, its style and the catalogue of figures. `sweeps.report` and the commands import it."""
