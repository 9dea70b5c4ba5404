"""The result store: one JSON file per tile, named by a hash of what decides its content."""
