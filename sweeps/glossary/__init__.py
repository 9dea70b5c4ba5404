"""The words of the project and what they mean: the page, the command and the reports have them from here."""
