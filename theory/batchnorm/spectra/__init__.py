"""Whole spectra at the BSB1 fixed point: of several batches' map, of a layer's Jacobian. `models` and above may import it."""
