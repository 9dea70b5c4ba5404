"""From an experiment's YAML to its report: grids, their execution, results, verdicts, figures. Nothing but the front door imports it."""
