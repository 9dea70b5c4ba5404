"""The forward pass: every layer's activation moments, and where the layer stands in the autograd graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard

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


def floating_tensors(value: Any) -> list[Tensor]:
    """Every floating-point tensor in nested tuples, lists, mappings and data classes, in order."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if is_dataclass(value) and not isinstance(value, (type, Mapping)):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [tensor for part in value for tensor in floating_tensors(part)]
    return []


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
    """

    def __init__(self, model: nn.Module, batch_size: int) -> None:
        self.batch_size = batch_size
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

    def _leave(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        called, place = self.open.pop()
        while called is not module:  # the model has caught what a layer raised, and went on
            called, place = self.open.pop()
        if len(self.open) in self.nested:
            return
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


def run_forward(model: nn.Module, x: Float[Tensor, "B ..."]) -> tuple[list[Tensor], list[Call], dict[Place, Moments]]:
    """The floating-point outputs of ``model(x)``, its layers' calls, and the moments by place in the graph.

    Raises:
        InputError: the forward pass fails on this shape (with the layer), or returns nothing in floating point.
    """
    recorder = Recorder(model, len(x))
    shape = tuple(x.shape)
    with guard(lambda _: f"input of shape {shape}: the forward pass fails{recorder.failed_at()}"), recorder.recording():
        output = model(x)
    outputs = floating_tensors(output)
    if not outputs:
        raise InputError(f"the model's output ({type(output).__name__}) holds no floating-point tensor")
    return outputs, recorder.calls, recorder.moments
