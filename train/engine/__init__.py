"""The training step and what surrounds it: data order, optimizers, evaluation. Families and `train.tile` import it."""
