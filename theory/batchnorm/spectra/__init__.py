"""Whole spectra at the BSB1 fixed point: several batches, and a layer's Jacobian. `models` and above may import it."""
