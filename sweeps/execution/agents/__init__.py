"""W&B agents on this machine, started, watched and ended together. Only the command `agents` imports it."""
