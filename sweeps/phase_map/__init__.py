"""The phase map: a labelled array over two axes and the seeds, and what is read off it alone.

`sweeps.sources` and every room above it import it.
"""
