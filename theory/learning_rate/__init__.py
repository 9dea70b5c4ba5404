"""How large a learning rate may be: curvature at initialisation, and the first steps. `models` and above import it."""
