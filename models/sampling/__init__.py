"""Random networks of finite width that test the theory, without training. `sweeps` and tests may import it."""
