"""All talk with Weights & Biases. `sweeps.sources`, `sweeps.execution` and the commands import it."""
