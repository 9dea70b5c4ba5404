"""The papers' sentences beside what a map measures. `sweeps.report` and the exhibits import it."""
