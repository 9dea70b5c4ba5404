"""VGG19 with batch normalisation on 32 × 32 pictures: the paper's networks of Figs. 7 to 9 (Yang et al. 2019)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phasemap.models.vgg_shapes import FEATURES, convolutions, multiplications
from phasemap.theory.ranges import SCALE
from phasemap.train.families.batchnorm_mlp import LAYER
from phasemap.train.families.family import Cell, Family
from phasemap.train.families.step_cost import StepCost, layered_cost
from phasemap.train.parameter_rows.network import shared
from phasemap.train.parameter_rows.row import Parameter, one_of, within

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from phasemap.models.stack import Stack


class VGG(Family):
    """One network a stack: ordinary convolutions gain nothing from a leading dimension of networks."""

    name = "vgg19-bn"
    rows = shared("gamma", "beta", "eps", "train_bn")
    training_rows = {  # noqa: RUF012
        "weight_decay": Parameter(
            float,
            5e-4,
            "added to the gradient, times the weight (of all parameters)",
            **within(SCALE),
            other_names=("wd", "l2"),
        ),
        "schedule": Parameter(
            str,
            "constant",
            "of the learning rate: constant, or a tenth from half of the steps and a hundredth from three quarters",
            **one_of("constant", "steps"),
            other_names=("lr_schedule", "scheduler"),
        ),
        "augment": Parameter(
            bool, True, "random crops (margin 4) and flips of the training pictures", other_names=("augmentation",)
        ),
    }
    uses_batch_statistics = True
    scored_by_epoch = True
    cost_axes = ()
    constant = {"activation": "relu", "width": "64 to 512 channels"}  # noqa: RUF012

    def check(self, values: Mapping[str, Any]) -> list[str]:
        """Its statistics are the whole batch's, and its optimizer is SGD."""
        mistakes = []
        statistics = values["statistics_batch_size"] or values["batch_size"]
        if values["batch_size"] != statistics:
            mistakes.append(
                f"statistics_batch_size: {statistics}: {self.name} takes the statistics of the whole batch only"
            )
        if values["optimizer"] != "sgd":
            mistakes.append(f"optimizer: {values['optimizer']}: {self.name} is trained by sgd only")
        return mistakes

    def build(
        self, cells: Sequence[Cell], *, inputs: int, classes: int, dtype: torch.dtype, device: str = "cpu"
    ) -> Stack:
        """torchvision's network, its weights drawn from the seed."""
        from phasemap.models.vgg import VGGCell, VGGStack
        from phasemap.train.compat import torchvision_import

        torchvision_import.ensure()  # torchvision draws weights of its own first: on the CPU, whatever the device
        members = [VGGCell(c["seed"], c["gamma"], c["beta"], c["eps"]) for c in cells]
        return VGGStack(members, classes=classes, train_bn=cells[0]["train_bn"], dtype=dtype).to(device)

    def stacking_key(self, cell: Cell) -> Hashable:
        """Different for any two cells."""
        return tuple(sorted((name, repr(value)) for name, value in cell.items()))

    def hidden_widths(self, cell: Cell) -> list[int]:
        """Channels times pixels of each convolution's output."""
        return [channels * side**2 for _, channels, side in convolutions()]

    def step_cost(self, cell: Cell, *, inputs: int, classes: int, item: int = 4) -> StepCost:
        """By its layers, which are convolution, BN and φ."""
        return layered_cost(
            cell,
            LAYER,
            widths=self.hidden_widths(cell),
            weights=sum(9 * before * after for before, after, _ in convolutions()) + FEATURES * classes,
            multiplications=multiplications(classes),
            inputs=inputs,
            item=item,
        )

    def prepare(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Every data set as 3 × 32 × 32 pictures."""
        from phasemap.train.engine.image_batches import as_pictures

        return as_pictures(rows, shape)

    def augmentation(self, settings: Mapping[str, Any]) -> Any:
        """Crops and flips, unless ``augment`` is false."""
        from phasemap.train.engine.image_batches import Augmentation

        return Augmentation(settings["seed"]) if settings["augment"] else None

    def optimizer(
        self, parameters: Iterable[torch.nn.Parameter], lr: Tensor, settings: Mapping[str, Any], steps: int
    ) -> torch.optim.Optimizer:
        """SGD with weight decay and a schedule."""
        from phasemap.train.engine.optimizers import ScheduledSGD

        return ScheduledSGD(
            parameters,
            float(lr[0]),
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
            schedule=settings["schedule"],
            steps=steps,
        )


FAMILY = VGG()
