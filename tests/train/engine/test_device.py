"""A training step stays on its device: it runs on torch's meta device, which has no numbers for the host to read."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from phasemap.models.vgg_shapes import COLOURS, SIDE
from phasemap.theory.activations import BUILT_IN
from phasemap.train.cells import cells
from phasemap.train.engine.epoch_scores import EpochScores
from phasemap.train.engine.evaluation import evaluate
from phasemap.train.engine.image_batches import Augmentation
from phasemap.train.engine.stack_module import StackModule
from phasemap.train.engine.step import Step
from phasemap.train.families.catalogue import DEFAULT, family, family_of
from phasemap.train.parameters import normalise
from tests.train.engine.on_device import DEVICE, OnDevice, launches_of

SAMPLES, CLASSES, LONGEST = 400, 10, 5
FAMILIES: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"momentum": 0.9, "activation": "tanh"},
    "rmsprop": {"optimizer": "rmsprop", "activation": "erf"},
    "sub-batches": {"statistics_batch_size": 8, "train_bn": False},
    "float64": {"dtype": "float64"},
    "skip connections": {"architecture": "bn-resnet", "activation": "erf", "statistics_batch_size": 8},
    "resnet": {"architecture": "resnet", "activation": "tanh"},
    "projections": {"architecture": "resnet", "widths": "64/2@2", "depth": 5, "optimizer": "rmsprop"},
    "ordinary": {"architecture": "mlp", "activation": "tanh", "init": "orthogonal", "train_bias": False},
    "layer norm and dropout": {"architecture": "mlp", "norm": "layer", "keep": [0.5, 0.9], "optimizer": "rmsprop"},
    "vgg": {"architecture": "vgg19-bn", "momentum": 0.9, "weight_decay": 1e-4, "schedule": "steps"},
}


def make_step(settings: dict[str, Any], **changes: Any) -> Step:
    """A step whose every tensor is on the device."""
    vgg, resnet = (settings.get("architecture") == name for name in ("vgg19-bn", "resnet"))
    axes = {} if vgg else {"depth": [3, 12, 7], "seed": [0, 4], "widths" if resnet else "width": "64" if resnet else 64}
    parameters = normalise({"lr": 0.1, "steps": 4, "batch_size": 32, **axes, **settings})
    points = cells(parameters)
    inputs = COLOURS * SIDE**2 if vgg else 64
    dtype = torch.float64 if parameters["dtype"] == "float64" else torch.float32
    stack = family_of(parameters).build(points, inputs=inputs, classes=CLASSES, dtype=dtype, device=DEVICE)
    lr = torch.full((len(points),), 0.1, dtype=dtype, device=DEVICE)
    if vgg:  # whose learning rate is a number of the host's
        lr = torch.tensor([0.1])
        scores = EpochScores(LONGEST, LONGEST, pytest.fail)
        changes = {"augment": Augmentation(0), "watcher": scores.add, **changes}
    step = Step(
        stack,
        samples=torch.zeros(SAMPLES, inputs, dtype=dtype, device=DEVICE),
        labels=torch.zeros(SAMPLES, dtype=torch.int64, device=DEVICE),
        seed_of_member=torch.zeros(len(points), dtype=torch.int64, device=DEVICE),
        statistics_batch_size=parameters["statistics_batch_size"],
        optimizer=family_of(parameters).optimizer(stack.parameters(), lr, points[0], parameters["steps"]),
        longest=LONGEST,
        **changes,
    )
    step.load(torch.zeros(LONGEST, len(set(stack.seeds)), parameters["batch_size"], dtype=torch.int64))
    return step


def run(step: Step) -> OnDevice:
    """What the second step does."""
    step()
    return launches_of(step)


@pytest.mark.parametrize("settings", FAMILIES.values(), ids=FAMILIES.keys())
def test_no_step_waits_for_the_host_or_takes_numbers_from_it(settings: dict[str, Any]) -> None:
    seen = run(make_step(settings))
    assert sum(seen.kernels.values()) > 50


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_no_activation_does(name: str) -> None:
    run(make_step({"activation": name}))
    run(make_step({"activation": name, "architecture": "resnet"}))
    run(make_step({"activation": name, "architecture": "mlp"}))


class FromTheHost(TorchDispatchMode):
    """Counts the numbers that are brought to the device."""

    numbers = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__ == "_to_copy" and (args[0].device.type, out.device.type) == ("cpu", DEVICE):
            self.numbers += out.numel()
        return out


@pytest.mark.parametrize("settings", [{"width": 16}, {"architecture": "resnet", "widths": "16"}], ids=["bn", "resnet"])
def test_what_members_of_a_seed_share_is_brought_to_the_device_once(settings: dict[str, Any]) -> None:
    points = cells(normalise({"lr": 0.1, "steps": 4, "batch_size": 8, "depth": 9, "seed": [0, 4], **settings}))

    def brought(copies: int) -> int:
        with FromTheHost() as seen:
            stack = family_of(points[0]).build(
                points * copies, inputs=64, classes=CLASSES, dtype=torch.float32, device=DEVICE
            )
        assert {tensor.device.type for tensor in [*stack.parameters(), *stack.buffers()]} == {DEVICE}
        return seen.numbers - len(stack)  # their places

    assert 0 < brought(1) == brought(5)


def test_lightning_leaves_a_trained_stack_where_it_is() -> None:
    parameters = normalise({"lr": 0.1, "steps": 4, "batch_size": 8, "width": 16, "depth": 3})
    stack = family_of(parameters).build(
        cells(parameters), inputs=64, classes=CLASSES, dtype=torch.float32, device=DEVICE
    )
    held = torch.zeros(1, dtype=torch.int64, device=DEVICE)
    module = StackModule(
        stack,
        samples=torch.zeros(9, 64, device=DEVICE),
        labels=torch.zeros(9, dtype=torch.int64, device=DEVICE),
        seed_of_member=held,
        lr=torch.zeros(1, device=DEVICE),
        make_optimizer=pytest.fail,
        statistics_batch_size=8,
    )
    assert module.cpu() is module
    assert {parameter.device.type for parameter in module.parameters()} == {DEVICE}


class Reads(Augmentation):
    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        return x * float(x.sum())


class Takes(Augmentation):
    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        return x + torch.ones(x.shape[-1]).to(x)


class Returns(Augmentation):
    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        x.cpu()
        return x


class Mixes(Augmentation):
    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        return x + torch.ones(x.shape[-1])


@pytest.mark.parametrize("wrong", [Reads, Takes, Returns, Mixes])
def test_what_has_the_host_in_a_step_is_found(wrong: type[Augmentation]) -> None:
    step = make_step({}, augment=wrong(0))
    with pytest.raises((RuntimeError, NotImplementedError, AssertionError), match=r"meta|on cpu"):
        launches_of(step)


@pytest.mark.parametrize("settings", FAMILIES.values(), ids=FAMILIES.keys())
def test_an_evaluation_makes_what_it_needs_on_the_device(settings: dict[str, Any]) -> None:
    step = make_step(settings)
    for size in (None, 8) if family_of(settings).uses_batch_statistics else (None,):
        found = evaluate(step.stack, step.samples, step.labels, statistics_batch_size=size)
        assert found is not None
        assert {value.device.type for value in vars(found).values()} == {DEVICE}


DEEP: dict[str, dict[str, Any]] = {
    "relu": {},
    "tanh": {"activation": "tanh"},
    "skip connections relu": {"architecture": "bn-resnet"},
    "skip connections tanh": {"architecture": "bn-resnet", "activation": "tanh"},
    "residual relu": {"architecture": "resnet"},
    "residual tanh": {"architecture": "resnet", "activation": "tanh"},
    "ordinary relu": {"architecture": "mlp"},
    "ordinary tanh": {"architecture": "mlp", "activation": "tanh"},
}


@pytest.mark.parametrize("settings", DEEP.values(), ids=DEEP.keys())
def test_the_planner_counts_kernels_and_traffic_as_they_are(settings: dict[str, Any]) -> None:
    """Of ten more layers, so that gather, read-out and loss drop out; of twice the samples, so that the weights do."""
    few, many = (_ten_layers({**settings, "batch_size": batch}) for batch in (1280, 2560))
    name = settings.get("architecture", DEFAULT)
    layer = import_module(type(family(name)).__module__).LAYER
    activations = 10 * (2 if name == "resnet" else 1)
    assert few["kernels"] == many["kernels"] == layer.kernels * activations
    assert (many["moved"] - few["moved"]) / (4 * 64 * 1280 * activations) == pytest.approx(layer.traffic, rel=0.02)


def _ten_layers(settings: dict[str, Any]) -> dict[str, float]:
    seen = [run(make_step({**settings, "depth": depth, "seed": 0})) for depth in (10, 20)]
    return {
        "kernels": sum(seen[1].kernels.values()) - sum(seen[0].kernels.values()),
        "moved": seen[1].moved - seen[0].moved,
    }


@pytest.mark.parametrize(
    "settings",
    [
        *({"activation": name} for name in sorted(BUILT_IN)),
        *(
            pytest.param({"activation": name, "architecture": family}, marks=[] if place % 5 == 0 else pytest.mark.slow)
            for family in ("resnet", "bn-resnet", "mlp")
            for place, name in enumerate(sorted(BUILT_IN))
        ),
        {"optimizer": "rmsprop"},
        {"architecture": "resnet", "momentum": 0.9, "widths": "384/2@10"},
        {"dtype": "float64", "activation": "erf"},
    ],
    ids=str,
)
def test_the_planners_memory_is_enough_and_no_more_than_twice_what_a_step_holds(settings: dict[str, Any]) -> None:
    """Of a layer's size in the paper; of the memory there are shapes only."""
    width = {"widths": "384"} if settings.get("architecture") == "resnet" else {"width": 384}
    asked = {**width, "depth": [10, 20], "seed": 0, "batch_size": 128, **settings}
    step = make_step(asked)
    weights = sum(p.numel() * p.element_size() for p in step.stack.parameters())
    state = sum(t.numel() * t.element_size() for s in step.optimizer.state.values() for t in s.values())
    seen = run(step)
    item = 8 if settings.get("dtype") == "float64" else 4
    points = cells(normalise({"lr": 0.1, "steps": 1, **asked}))
    planned = sum(family_of(cell).step_cost(cell, inputs=64, classes=CLASSES, item=item).memory for cell in points)
    assert planned / 2 < weights + state + seen.height < planned
