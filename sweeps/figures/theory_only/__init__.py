"""Figures that need no training. The catalogue of figures names them."""
