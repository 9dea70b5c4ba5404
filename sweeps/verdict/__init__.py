"""One map against the theory: frontier, κ, ranking. Figures, comparisons, advice and reports import it."""
