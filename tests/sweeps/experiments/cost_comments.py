"""What the YAMLs of the experiments say of their cost, by the estimate that ``--check`` prints.

``python -m tests.sweeps.experiments.cost_comments`` writes the comments again, after a change of a grid, a preset or
the cost model.
"""

from __future__ import annotations

import re
import textwrap

from phasemap.sweeps.experiments.experiment import PAPER, available, load
from phasemap.sweeps.experiments.usual_preset import QUICK
from phasemap.train.machine.speed import GUESSES
from phasemap.train.planning.cost import ITEM, Cost, cell_count, cost, duration
from phasemap.train.planning.dtype import resolve_dtype

COMMENT = re.compile(r"^# Cost: .*\n(?:#   .*\n)*", re.MULTILINE)


def estimate(name: str, preset: str = PAPER) -> tuple[int, Cost]:
    """(networks, cost) on whole data sets, with float64 where gradients need it, as ``--check`` has them."""
    tiles = load(name, preset).tiles()
    costs = (cost(tile, item=ITEM[resolve_dtype(tile)]) for tile in tiles)
    return sum(map(cell_count, tiles)), sum(costs, Cost())


def times(price: Cost) -> tuple[str, str]:
    """The time on a CPU core and on a GPU, of a machine that was not measured."""
    return duration(price.seconds("cpu", GUESSES["cpu"])), duration(price.seconds("cuda", GUESSES["cuda"]))


def in_words(name: str, preset: str) -> str:
    """As a comment says it."""
    networks, price = estimate(name, preset)
    core, gpu = times(price)
    trained = f"{networks} network{'s' * (networks > 1)} on {load(name, preset).parameters['dataset']}"
    return f"{trained}, {price.flops:.2g} FLOP (about {core} on one CPU core, {gpu} on a data-centre GPU)"


def comment(name: str) -> str:
    """The comment of one experiment."""
    text = (
        f"Cost: `--preset quick`, the default: {in_words(name, QUICK)}. "
        f"`--preset paper`, the file as it is: {in_words(name, PAPER)}. "
        "On a machine whose speed was measured `--check` tells its own times."
    )
    whole = text.replace("--preset ", "--preset\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(whole, 120, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)
    return "".join(f"{line}\n" for line in lines).replace("\N{NO-BREAK SPACE}", " ")


if __name__ == "__main__":
    for experiment, path in available().items():
        path.write_text(COMMENT.sub(comment(experiment), path.read_text(encoding="utf-8"), count=1), encoding="utf-8")
