"""Leaves a model, and every random number generator, exactly as they were, whatever a forward pass did to them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from phasemap.theory.errors import InputError
from phasemap.train.probe.kept import Kept


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """On leaving, whether by an exception or not, gives everything that a forward pass may have changed its old value.

    That is of every module: mode, parameters, buffers, gradients, ``requires_grad``, hooks, attributes and what they
    hold (``Kept``); the state of the random number generators of Python, NumPy, torch's CPU and the CUDA devices that
    the model is on.

    Raises:
        InputError: the model's forward pass writes into a parameter, so that what it computes is not of this model.
    """
    parameters = [(name, parameter, parameter._version) for name, parameter in model.named_parameters()]
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 (a model may use it)
    kept = Kept(model)
    try:
        with torch.random.fork_rng(devices=cuda_devices(model)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        now = {name: p._version for name, p, _ in parameters}
        kept.put_back()
    other = {id(tensor) for tensor in kept.written}
    written = [name for name, p, version in parameters if id(p) in other or version < now[name]]
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
