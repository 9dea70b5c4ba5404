"""Results of one or several sources, each tile once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phasemap.sweeps.experiments.experiment import Experiment

if TYPE_CHECKING:
    from phasemap.train.cells import Cell
    from phasemap.train.result_types import Content, Provenance, Result


@dataclass
class Results:
    """Results of one or several sources.

    Attributes:
        results: ``{"content", "provenance"}`` by key, each tile once.
        expected_cells: every cell that the experiments ask for, or None where no source says so.
        failed_cells: those of tiles that were given up; another source may have their results all the same.
        experiment: of the first source that has one.
        notes: what was left out, and what was there more than once, a line each.
    """

    results: dict[str, Result] = field(default_factory=dict)
    expected_cells: list[Cell] | None = None
    failed_cells: list[Cell] = field(default_factory=list)
    experiment: Experiment | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def contents(self) -> list[Content]:
        """The results' contents, in the order of their keys, which does not depend on who trained what when."""
        return [self.results[key]["content"] for key in sorted(self.results)]

    @property
    def provenance(self) -> list[Provenance]:
        """The results' provenance, in the same order."""
        return [self.results[key]["provenance"] for key in sorted(self.results)]

    def add(self, key: str, result: Result, source: str) -> None:
        """Takes a result in, or notes that it is there already (and whether it says the same)."""
        there = self.results.setdefault(key, result)
        if there is not result:
            same = there["content"] == result["content"]
            self.notes.append(
                f"{source}: tile {key[:8]} again, "
                + ("the same content" if same else "OTHER content: the first counts")
            )

    def expect(self, experiment: Experiment) -> None:
        """Takes in what an experiment asks for; a cell that several ask for counts once."""
        from phasemap.train.cells import cells, same_training

        self.experiment = self.experiment or experiment
        asked = [cell for tile in experiment.tiles() for cell in cells(tile)]
        known = {same_training(cell) for cell in self.expected_cells or []}
        self.expected_cells = [
            *(self.expected_cells or []),
            *(cell for cell in asked if not known or same_training(cell) not in known),
        ]
