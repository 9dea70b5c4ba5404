"""Trains one tile: its parameters, its data, its networks, its result. `sweeps` may import it."""
