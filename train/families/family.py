"""What a family of networks is: everything that the rest of the project asks of an ``architecture``.

A family is one file with one instance, and a line of the catalogue. No other file names it. torch is imported where a
method needs it, never by the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from phasemap.train.families.step_cost import StepCost
from phasemap.train.parameter_rows.row import Parameter

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from phasemap.models.stack import Stack

Cell = Mapping[str, Any]
"""A cell's normalised parameters, all scalars."""


class Family(ABC):
    """One family of networks.

    Attributes:
        name: the value of the parameter ``architecture``.
        rows: the parameters of its networks, in the order in which tables show them; of ``SHARED`` what fits.
        training_rows: parameters of the training that only this family has.
        uses_batch_statistics: whether there are two ways to evaluate: with running and with batch statistics.
        scored_by_epoch: whether the test set is evaluated after every epoch.
        cost_axes: the stackable parameters that a network's cost depends on.
        lines, contours: values of the parameter ``overlay`` that its theory offers.
        constant: ``activation`` and ``width`` in words where they are no parameters, for captions.
        only_with: parameters that matter only where another has a value: that one's name, and the value.
    """

    name: ClassVar[str]
    rows: ClassVar[Mapping[str, Parameter]]
    training_rows: ClassVar[Mapping[str, Parameter]] = {}
    uses_batch_statistics: ClassVar[bool]
    scored_by_epoch: ClassVar[bool] = False
    cost_axes: ClassVar[tuple[str, ...]] = ("depth",)
    lines: ClassVar[tuple[str, ...]] = ()
    contours: ClassVar[tuple[str, ...]] = ()
    constant: ClassVar[Mapping[str, str]] = {}
    only_with: ClassVar[Mapping[str, tuple[str, Any]]] = {}

    def check(self, values: Mapping[str, Any]) -> list[str]:
        """What is wrong between parameters that are valid one by one, a line for each mistake."""
        return []

    @abstractmethod
    def build(
        self, cells: Sequence[Cell], *, inputs: int, classes: int, dtype: torch.dtype, device: str = "cpu"
    ) -> Stack:
        """The stack of cells with equal ``stacking_key``, made on the device."""

    @abstractmethod
    def step_cost(self, cell: Cell, *, inputs: int, classes: int, item: int = 4) -> StepCost:
        """What one training step of one network takes; ``item`` is the size of a number in bytes."""

    @abstractmethod
    def hidden_widths(self, cell: Cell) -> list[int]:
        """Numbers in each hidden activation of one sample, in order."""

    def stacking_key(self, cell: Cell) -> Hashable:
        """Cells with equal keys fit in one stack: a layer has one width in all that have it, and so has the last."""
        return ()

    def log_explosion(self, cell: Cell) -> float:
        """How far the logarithm of the squared gradient norm moves between the network's ends, by its theory; 0 where
        the theory says nothing. It decides between float32 and float64."""
        return 0.0

    def log_explosion_bound(self, cell: Cell) -> float:
        """At least ``log_explosion``, found in less time where there is a way: it spares thousands of tiles that."""
        return self.log_explosion(cell)

    def prepare(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The samples as the networks take them.

        Args:
            rows: [n, D], standardised. shape: of one sample before it was flattened.

        Raises:
            InputError: the networks cannot take such samples.
        """
        return rows

    def augmentation(self, settings: Mapping[str, Any]) -> Any:
        """What makes of a step's samples those that are trained on (``engine.image_batches.Augmentation``), or None."""
        return None

    def optimizer(
        self, parameters: Iterable[torch.nn.Parameter], lr: Tensor, settings: Mapping[str, Any], steps: int
    ) -> torch.optim.Optimizer:
        """The optimizer of a stack for a training of ``steps``; ``lr`` is that of each member, [K]."""
        from phasemap.train.engine.optimizers import member_optimizer

        return member_optimizer(parameters, lr, settings)
