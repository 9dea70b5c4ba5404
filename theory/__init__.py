"""Mean field theory of deep networks at initialisation: NumPy and SciPy only, no torch, no drawing. Any room may import it."""
