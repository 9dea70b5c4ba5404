"""Is a network trainable by theory, and what would make it so. The commands import it."""
