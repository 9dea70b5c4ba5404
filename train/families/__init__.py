"""The families of networks, one file each, and their catalogue. `train.parameters` and all above it import it."""
