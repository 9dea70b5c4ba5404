"""Mean field theory of deep networks at initialisation: NumPy and SciPy, no torch, no drawing. Any room may import it."""
