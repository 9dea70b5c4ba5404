"""Minutes that the whole of Fig. 3(a) takes at the paper's scale, estimated from the rates of its tiles."""

from __future__ import annotations

from typing import Any

from phasemap.train.bench.cases import ENGINE, GRID_BATCHES, GRID_EPOCHS, GRID_MINUTES, ROWS
from phasemap.train.bench.measure import Bench, Contestant, summary


def grid(bench: Bench) -> dict[str, Any]:
    """For each batch size the tile's rate and minutes, and the sum; the learning rate follows the batch size."""
    tiles: list[dict[str, Any]] = []
    for batch in GRID_BATCHES:
        tile = {**ROWS["paper"].tile, "batch_size": batch, "lr": 1e-5 * batch}
        one = Contestant(ENGINE, tile, {}, bench)
        try:
            one.start()
            one.begin()
            one.calibrate()
            for _ in range(bench.repeats):
                one.measure()
        finally:
            one.close()
        rate = summary(one.rates("wall"))
        steps = GRID_EPOCHS * (bench.data.train // batch)
        minutes = ((one.set_up() or 0.0) + steps * one.cells / rate["median"]) / 60 if rate else None
        tiles.append({"batch_size": batch, "steps": steps, ENGINE: rate, "minutes": minutes, **one.memory})
        bench.say(f"grid: batch size {batch}: {minutes or 0:.3g} minutes")
    each = [tile["minutes"] for tile in tiles if tile["minutes"] is not None]
    total = sum(each) if len(each) == len(tiles) else None
    reached = None if total is None else total <= GRID_MINUTES
    return {"tiles": tiles, "minutes": total, "at_most": GRID_MINUTES, "reached": reached}
