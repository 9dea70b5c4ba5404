"""Is a network trainable by theory, and what would make it so: one adviser a theory. The commands import it."""
