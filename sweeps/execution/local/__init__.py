"""The executor of this machine: worker processes, one a core or GPU. `sweeps.execution.catalogue` imports it."""
