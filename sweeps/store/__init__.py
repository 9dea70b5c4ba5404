"""The result store: one JSON file a tile, named by a hash of what decides its content. Rooms above may import it."""
