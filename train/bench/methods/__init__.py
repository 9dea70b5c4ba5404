"""The ways to train the same cells that ``phasemap bench`` compares. Only `train.bench` imports it."""
