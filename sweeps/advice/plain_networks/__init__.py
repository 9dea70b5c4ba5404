"""Advice for plain networks, by the theory of order and chaos."""
