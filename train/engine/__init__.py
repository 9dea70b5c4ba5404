"""The training step and what surrounds it: data order, optimizers, evaluation, checkpoints. Families and `tile` import it."""
