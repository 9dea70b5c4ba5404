"""How residual networks' quantities grow with depth, in closed form. The rooms above `theory` may import it."""
