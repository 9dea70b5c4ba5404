"""Second ways to the same numbers, as the paper writes them. Only tests and figures import it."""
