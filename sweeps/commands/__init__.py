"""The console commands, one file each. Only the front door imports them."""
