"""The phase map with what its theory predicts, what was measured of it and, on request, its loss curves, as variables.

The front door and ``phasemap export`` give it. It imports maps, theories and verdicts.
"""
