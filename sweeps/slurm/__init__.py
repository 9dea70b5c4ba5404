"""Slurm: job scripts for agents and for runs that share a folder, and a job's time limit. What trains may import it."""
