"""One map against its theory: frontier, κ, ranking, levels, and the judgement of them all.

Comparisons, advice, figures and reports import it.
"""
