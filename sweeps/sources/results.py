"""Results of one or several sources, each tile once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from phasemap.sweeps.experiments.experiment import Experiment
from phasemap.sweeps.phase_map.view import View, none_such
from phasemap.train.cells import networks

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
        name: of what has no experiment to be named by: the first source's.
        view: which map is made of them.
        notes: what was left out, and what was there more than once, a line each.
    """

    results: dict[str, Result] = field(default_factory=dict)
    expected_cells: list[Cell] | None = None
    failed_cells: list[Cell] = field(default_factory=list)
    experiment: Experiment | None = None
    name: str = ""
    view: View = field(default_factory=View)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        name = self.experiment.name if self.experiment else self.name
        return f"Results({name}: {len(self.results)} tiles)"

    @property
    def contents(self) -> list[Content]:
        """The results' contents, in the order of their keys, which does not depend on who trained what when."""
        return [self.results[key]["content"] for key in sorted(self.results)]

    @property
    def provenance(self) -> list[Provenance]:
        """The results' provenance, in the same order."""
        return [self.results[key]["provenance"] for key in sorted(self.results)]

    @property
    def presentation(self) -> dict[str, Any]:
        """What of the map's presentation is not as its cells have it: the view's axes, a name where they have none."""
        grid = self._cells if self.expected_cells is None else self.expected_cells
        return self.view.presentation(grid, self.experiment.name if self.experiment else self.name)

    @property
    def _cells(self) -> list[Mapping[str, Any]]:
        return [parameters for content in self.contents for parameters, _ in networks(content)]

    def seen(self, view: View) -> Results:
        """What a view shows of them. Raises InputError where that is no cell."""
        if not view.fixed:
            return replace(self, view=view)
        results = {}
        for key, result in self.results.items():
            content = result["content"]
            cells = [cell for parameters, cell in networks(content) if view.shows(parameters)]
            if cells:
                results[key] = cast("Result", {**result, "content": {**content, "cells": cells}})
        if not results:
            raise none_such(view, self._cells)
        expected = None if self.expected_cells is None else list(filter(view.shows, self.expected_cells))
        failed = list(filter(view.shows, self.failed_cells))
        return replace(self, view=view, results=results, expected_cells=expected, failed_cells=failed)

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
