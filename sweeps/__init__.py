"""Experiment YAML -> grid -> tiles -> result files -> phase map -> figures and report; local runner and W&B."""
