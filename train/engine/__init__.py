"""The training step and what surrounds it: order of the data, optimizers, evaluation, checkpoints. `train.tile` imports it."""
