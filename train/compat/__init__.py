"""What other packages need before they can be imported side by side. Every room of `train` may import it."""
