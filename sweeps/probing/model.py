"""The network of a user's own that is probed: ``path/to/file.py:factory``."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard
from phasemap.theory.user_code import file_of, load_user_module
from phasemap.train.compat import torchvision_import as torchvision_ops


def load_model(text: str, seed: int) -> nn.Module:
    """The module of ``path/to/file.py:factory``, whose weights are drawn after ``torch.manual_seed(seed)``.

    Raises:
        InputError: as ``load_user_module``; no callable, it fails, or what it returns is no module.
    """
    try:
        return _load(text, seed)
    except InputError as error:
        if "torchvision::" not in str(error):
            raise
        torchvision_ops.ensure()  # only now: importing it takes longer than most probes
        return _load(text, seed)


def _load(text: str, seed: int) -> nn.Module:
    module, name = load_user_module(text)
    factory = getattr(module, name)
    if isinstance(factory, nn.Module):
        return factory
    if not callable(factory):
        raise InputError(f"{text!r}: {name} is of type {type(factory).__name__}: expected a function without arguments")
    torch.manual_seed(seed)
    with guard(f"{text!r}: {name}() failed", file=file_of(text)):
        model = factory()
    if inspect.iscoroutine(model):
        model.close()  # else Python says that nobody has waited for it
    if not isinstance(model, nn.Module):
        raise InputError(f"{text!r}: {name}() returned {type(model).__name__}: expected a torch.nn.Module")
    return model
