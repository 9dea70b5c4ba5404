"""Exhibits: figures of trained networks that are no heat map. The catalogue of figures names them."""
