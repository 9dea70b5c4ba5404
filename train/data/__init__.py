"""Data sets, one file a source, and their catalogue. `train.tile` and `sweeps` import it."""
