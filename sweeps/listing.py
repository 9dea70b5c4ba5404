"""``phasemap list``: the experiments that come with the project. Imports no numerics: it must answer at once."""

from __future__ import annotations

from sweeps.cost import Cost, cell_count, cost, duration
from sweeps.experiment import PAPER, Experiment, available, load, presets_of


def listing() -> str:
    """One paragraph per experiment: what it shows, its axes, and what each preset costs."""
    return "\n".join(
        line for name, path in available().items() for line in _paragraph(name, [*presets_of(path), PAPER])
    )


def _paragraph(name: str, presets: list[str]) -> list[str]:
    paper = load(name)
    parameters = paper.parameters
    lines = [
        f"{name}: {paper.document.get('description', '')}",
        f"    axes: {parameters['x_axis']} x {parameters['y_axis']}; overlay: {parameters['overlay']}",
    ]
    return lines + [f"    --preset {preset:6} {_cost(load(name, preset))}" for preset in presets]


def _cost(experiment: Experiment) -> str:
    tiles = experiment.raw_tiles()
    price = sum(map(cost, tiles), Cost())
    cells, data = sum(map(cell_count, tiles)), experiment.parameters["dataset"]
    cpu, gpu = duration(price.seconds("cpu")), duration(price.seconds("cuda"))
    return (
        f"{len(tiles):4} tiles {cells:6} cells  {data:8} {price.flops:8.2g} FLOP: {cpu} on a CPU core, {gpu} on a GPU"
    )
