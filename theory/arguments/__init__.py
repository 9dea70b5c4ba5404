"""Arguments of the theory's functions: names or objects, scalars or arrays. The rooms of `theory` above import it."""
