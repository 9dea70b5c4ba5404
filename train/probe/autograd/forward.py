"""The forward pass: every layer's activation moments, and where the layer stands in the autograd graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard
from phasemap.train.probe.autograd.inputs import Inputs, Start, floating_tensors, in_place_of

Node = Any  # torch.autograd.graph.Node
Place = tuple[Node, int]  # a node of the graph and the number of one of its outputs


@dataclass(frozen=True)
class Moments:
    """Of one activation over samples and units; None where it does not exist.

    Attributes:
        mean, mean_square, variance: over all entries. cosine: mean over the pairs of samples of the batch of
            a·a′/(|a||a′|).
    """

    mean: float | None = None
    mean_square: float | None = None
    variance: float | None = None
    cosine: float | None = None


@dataclass(frozen=True)
class Call:
    """One call of an innermost module: one in whose forward pass no other module was called.

    Attributes:
        name: the module's path, with ``#2``, ``#3``, … from its second call on. kind: its class.
        shape: of its output. place: of the output in the graph; None where no gradient can reach it.
        inputs: the place of its first floating-point input.
    """

    name: str
    kind: str
    module: nn.Module
    shape: tuple[int, ...]
    moments: Moments
    place: Place | None
    inputs: Place | None


def layer_names(model: nn.Module) -> dict[nn.Module, str]:
    """Every module's path, without what torch.compile wraps around modules."""
    named = model.named_modules()
    return {module: ".".join(part for part in path.split(".") if part != "_orig_mod") for path, module in named}


def in_layer(names: Mapping[nn.Module, str], module: nn.Module | None) -> str:
    """Where in a model something happened, in words; "" for the model itself."""
    name = names.get(module, "") if module is not None else ""
    return f" in layer {name!r} ({type(module).__name__})" if name else ""


def place_of(tensors: list[Tensor]) -> Place | None:
    """The place of the first tensor."""
    return (tensors[0].grad_fn, tensors[0].output_nr) if tensors and tensors[0].grad_fn is not None else None


@torch.no_grad()
def moments(a: Tensor, batch_size: int) -> Moments:
    """Moments in float64, so that the variance may be a difference. The cosine needs ``batch_size`` rows."""
    if not a.numel():
        return Moments()
    rows = a.detach().reshape(len(a) if a.ndim else 1, -1).double()
    norms = torch.linalg.vector_norm(rows, dim=1)
    # the sum over all pairs of u·u′ for unit vectors u is |Σu|²: no B × B products
    pairs = ((1 / norms) @ rows).square().sum()
    total, squares, paired = torch.stack([rows.sum(), norms.square().sum(), pairs]).tolist()
    mean, square = total / rows.numel(), squares / rows.numel()
    numbers = [mean, square, max(square - mean**2, 0.0) if math.isfinite(square) else square, paired]
    if a.ndim and len(a) == batch_size:
        numbers[3] = (numbers[3] - batch_size) / (batch_size * (batch_size - 1))
    else:
        numbers[3] = math.nan
    return Moments(*(number if math.isfinite(number) else None for number in numbers))


class Recorder:
    """Hooks on every module of a model, which record the innermost calls of one forward pass.

    Attributes:
        calls: in the order in which they ended. moments: of everything that a layer returned or was given, by place.
        start: where the gradient ends; of inputs without one the first activation of so many samples.
    """

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        self.batch_size, self.start = inputs.batch_size, inputs.start
        # what computes a weight from others (torch.nn.utils.parametrize) belongs to the layer that has the weight
        self.names = {m: name for m, name in layer_names(model).items() if "parametrizations" not in name.split(".")}
        self.calls: list[Call] = []
        self.moments: dict[Place, Moments] = {}
        self.numbers: dict[nn.Module, int] = {}
        self.open: list[tuple[nn.Module, Place | None]] = []  # calls that go on, and the place of their input
        self.nested: set[int] = set()  # depths of open calls in which another module was called

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Records the calls within the block."""
        handles = []
        for module in self.names:
            handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def failed_at(self) -> str:
        """The innermost module that was being called, in words."""
        return in_layer(self.names, self.open[-1][0]) if self.open else ""

    def _enter(self, module: nn.Module, inputs: Any, keywords: Any) -> None:
        self.nested.add(len(self.open) - 1)
        self.nested.discard(len(self.open))
        given = floating_tensors([inputs, keywords])[:1]
        self.open.append((module, place_of(given)))  # now: afterwards the module may have written into its input
        self._measured(given)  # here also what no module returned: sums, functional activations

    def _measured(self, tensors: list[Tensor]) -> Moments:
        place = place_of(tensors)
        if place is None or place not in self.moments:
            found = moments(tensors[0], self.batch_size) if tensors else Moments()
            if place is None:
                return found
            self.moments[place] = found
        return self.moments[place]

    def _leave(self, module: nn.Module, _inputs: Any, output: Any) -> Any:
        called, place = self.open.pop()
        while called is not module:  # the model has caught what a layer raised, and went on
            called, place = self.open.pop()
        if len(self.open) in self.nested:
            return None
        if self.start is None:
            output = self._begin(output)
        number = self.numbers[module] = self.numbers.get(module, 0) + 1
        name = self.names[module] + (f"#{number}" if number > 1 else "")
        tensors = floating_tensors(output)
        self.calls.append(
            Call(
                name=name,
                kind=type(module).__name__,
                module=module,
                shape=tuple(tensors[0].shape) if tensors else (),
                moments=self._measured(tensors),
                place=place_of(tensors),
                inputs=place,
            )
        )
        return output

    def _begin(self, output: Any) -> Any:
        """The output, if the gradient can end there with a tensor by which it is taken."""
        for tensor in floating_tensors(output)[:1]:
            if tensor.ndim and tensor.numel() and len(tensor) % self.batch_size == 0:
                self.start = Start.at(tensor)
                return in_place_of(output, tensor, self.start.tensor)
        return output


def run_forward(model: nn.Module, inputs: Inputs) -> tuple[list[Tensor], Recorder, Start]:
    """The floating-point outputs of the model, what was recorded of its layers, and where the gradient ends.

    Raises:
        InputError: the forward pass fails on these shapes (with the layer), returns nothing in floating point, or has
            no floating-point activation at which the gradient could end.
    """
    recorder = Recorder(model, inputs)
    where = f"input of shape {inputs.shapes}: the forward pass fails"
    with guard(lambda _: where + recorder.failed_at()), recorder.recording():
        output = model(*inputs.arguments, **inputs.keywords)
    outputs = floating_tensors(output)
    if not outputs:
        raise InputError(f"the model's output ({type(output).__name__}) holds no floating-point tensor")
    if recorder.start is None:
        raise InputError(
            f"the input holds integers, and no layer returns a floating-point activation of {inputs.batch_size} samples"
            " behind it: the gradient ends nowhere"
        )
    return outputs, recorder, recorder.start
