"""What a theory says of a map: one class a theory, numbers and roles, no colours.

Verdicts, comparisons, figures and reports import it.
"""
