"""What a tile costs, in which dtype it trains, and how its cells are divided into stacks. `train.tile` and `sweeps` import it."""
