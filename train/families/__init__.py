"""The families of networks, one file each, and their catalogue. The rooms above it in `train`, and `sweeps`, import it."""
