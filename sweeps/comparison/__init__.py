"""Two maps or more against each other. Figures and the commands import it."""
