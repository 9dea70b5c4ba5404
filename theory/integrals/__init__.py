"""Expectations over a Gaussian or over a sphere; knows of no network. The rooms of `theory` may import it."""
