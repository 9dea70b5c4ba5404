"""What a model is called with, and where its gradient ends: at the first input, or the first activation behind it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard


@dataclass(frozen=True)
class Start:
    """Where the gradient ends.

    Attributes:
        leaf: by which it is taken. tensor: what the model computes with, a copy, so that the model may write into it.
        node: of the copy in the graph.
    """

    leaf: Tensor
    tensor: Tensor
    node: Any

    @classmethod
    def at(cls, tensor: Tensor) -> Start:
        """At an input or an activation."""
        leaf = tensor.detach().clone().requires_grad_()
        copied = leaf.clone()
        return cls(leaf, copied, copied.grad_fn)


@dataclass(frozen=True)
class Inputs:
    """Copies of the arguments of one forward pass.

    Attributes:
        arguments, keywords: of the call. shapes: of all tensors in them, as text. batch_size: number of samples.
        start: at the first tensor; None if it holds integers, and the gradient ends at the first activation.
        others: how many more floating-point tensors there are, by which no gradient is taken.
    """

    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    shapes: str
    batch_size: int
    start: Start | None
    others: int

    @classmethod
    def of(cls, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Inputs:
        """Of a call. The first tensor, other than masks of truth values, has the samples along its first dimension.

        Raises:
            InputError: there is no tensor, the first has fewer than two samples, one is on the meta device, or what is
                given cannot be copied.
        """
        given = tensors_in([arguments, keywords])
        if not given:
            raise InputError("expected at least one tensor to call the model with")
        first = next((tensor for tensor in given if tensor.dtype != torch.bool), given[0])
        if first.ndim < 1 or len(first) < 2:
            raise InputError(f"batch size {len(first) if first.ndim else 0}: expected at least 2 samples")
        if any(tensor.is_meta for tensor in given):
            raise InputError("an input on the meta device, which has no numbers")
        start = Start.at(first) if first.is_floating_point() else None
        copies = {id(tensor): tensor.detach().clone() for tensor in given}
        if start is not None:
            copies[id(first)] = start.tensor
        with guard("copying the inputs fails"):
            arguments, keywords = copy.deepcopy((arguments, dict(keywords)), copies)
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in given)
        others = sum(tensor.is_floating_point() for tensor in given) - (start is not None)
        return cls(arguments, keywords, shapes, len(first), start, others)


def tensors_in(value: Any) -> list[Tensor]:
    """Every tensor in nested tuples, lists, mappings and data classes, in order."""
    if isinstance(value, Tensor):
        return [value]
    if is_dataclass(value) and not isinstance(value, (type, Mapping)):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [tensor for part in value for tensor in tensors_in(part)]
    return []


def floating_tensors(value: Any) -> list[Tensor]:
    """Those of floating point among ``tensors_in``."""
    return [tensor for tensor in tensors_in(value) if tensor.is_floating_point()]


def in_place_of(value: Any, old: Tensor, new: Tensor) -> Any:
    """``value`` with another tensor at the place of one of its own; nothing is written into."""
    return copy.deepcopy(value, {id(tensor): tensor for tensor in tensors_in(value)} | {id(old): new})
