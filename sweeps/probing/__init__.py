"""What `phasemap probe` does around `train.probe`: the user's model, its inputs, the answer. Commands import it."""
