"""Torch modules with a leading *cell* dimension (stacks), one file a family. `train` and `sweeps` may import it."""
