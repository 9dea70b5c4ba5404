"""The covariance of a whole batch, beyond the symmetric fixed point. `models` and the rooms above may import it."""
