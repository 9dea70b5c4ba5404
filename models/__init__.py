"""Torch modules with a leading *cell* dimension (stacks), their initialisation, and sampled random networks."""
