"""This machine: its devices, memory, processes and speed. `train.planning`, `train.tile` and `sweeps` import it."""
