"""What a theory says of a map: numbers and roles, no colours. Verdicts, figures and reports import it."""
