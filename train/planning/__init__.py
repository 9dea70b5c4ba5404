"""What a tile costs, its dtype, and how its cells are divided into stacks. `train.tile` and `sweeps` import it."""
