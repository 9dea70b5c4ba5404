"""Runs an experiment's tiles: plan, scheduler, and the protocol of executors. The commands import it."""
