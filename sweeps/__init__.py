"""From an experiment's YAML to its report: grids, runs, results, verdicts, figures. The front door imports it."""
