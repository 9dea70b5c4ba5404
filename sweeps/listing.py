"""``phasemap list``: the experiments that come with the project. Imports no numerics: it must answer at once."""

from __future__ import annotations

from sweeps.cost import cell_count, duration, flops
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
    operations = sum(flops(tile) for tile in tiles)
    cells, data = sum(map(cell_count, tiles)), experiment.parameters["dataset"]
    time = duration(operations / 1e10)
    return f"{len(tiles):4} tiles {cells:6} cells  {data:8} {operations:8.2g} FLOP  {time} on a CPU core"
