"""The theory as pandas tables, one row for each setting or layer: what ``phasemap.theory`` offers to a notebook."""
