"""Leaves a model, and every random number generator, exactly as they were, whatever a forward pass did to them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phasemap.theory.errors import InputError


class _Kept:
    """One module's attributes: the objects, the contents of its containers (one level deep), the values of its tensors.

    Parameters are not copied (a forward pass does not change them), only watched.
    """

    def __init__(self, module: nn.Module) -> None:
        self.attributes = dict(vars(module))
        self.contents = {
            name: value.copy() for name, value in self.attributes.items() if isinstance(value, (dict, list, set))
        }
        tensors = [*self.attributes.values(), *self.attributes["_buffers"].values()]
        kept = [t for t in tensors if isinstance(t, Tensor) and not isinstance(t, nn.Parameter)]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in kept]

    def restore(self, module: nn.Module) -> None:
        for name in [name for name in vars(module) if name not in self.attributes]:
            del vars(module)[name]
        vars(module).update(self.attributes)
        for name, before in self.contents.items():
            container: Any = self.attributes[name]
            container.clear()
            container.extend(before) if isinstance(before, list) else container.update(before)
        for tensor, value in self.tensors:
            # batch normalisation writes its statistics without telling autograd, so versions say nothing
            if not torch.equal(tensor, value):
                tensor.data.copy_(value)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """On leaving, whether by an exception or not, restores everything that a forward pass in between may have changed.

    That is of every module: mode, buffers (values and objects), hooks, and plain attributes (counters, caches); of
    parameters ``.grad`` and ``requires_grad``; the state of the random number generators of Python, NumPy, torch's
    CPU and the CUDA devices that the model is on.

    Raises:
        InputError: the model's forward pass writes into a parameter, which is not undone.
    """
    modules = [(module, _Kept(module)) for module in model.modules()]
    parameters = [(name, p, p._version, p.requires_grad, p.grad) for name, p in model.named_parameters()]
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 (a model may use it)
    try:
        with torch.random.fork_rng(devices=cuda_devices(model)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        for module, kept in modules:
            kept.restore(module)
        for _, parameter, _, requires_grad, gradient in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = gradient
    written = [name for name, parameter, version, *_ in parameters if parameter._version != version]
    if written:
        raise InputError(f"the model's forward pass writes into its parameter {written[0]!r}: expected it not to")


def cuda_devices(model: nn.Module) -> list[int]:
    """Numbers of the CUDA devices that hold a parameter or buffer."""
    found = {t.device for t in (*model.parameters(), *model.buffers()) if t.device.type == "cuda"}
    return sorted(torch.cuda.current_device() if device.index is None else device.index for device in found)


def seed_generators(model: nn.Module, seed: int) -> None:
    """Seeds the generators that ``untouched`` restores; torch.manual_seed would also seed CUDA devices not in use."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    for index in cuda_devices(model):
        torch.cuda.default_generators[index].manual_seed(seed)
