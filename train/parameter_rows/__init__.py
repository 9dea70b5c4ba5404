"""What one parameter is and how its value is read. `train.families` and `train.parameters` import it."""
