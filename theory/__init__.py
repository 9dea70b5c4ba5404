"""Mean field theory of deep networks at initialisation. NumPy and SciPy only; never imports torch."""
