"""The result store: one JSON file a tile, named by a hash of what decides its content. Every room above `sweeps.experiments` may import it."""
