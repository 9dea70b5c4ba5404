"""The experiments' YAML files and their reader. Every other room of `sweeps` may import it."""
