"""What must hold of a model so that its layers can be watched, and what is undone for that: compilation."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard
from phasemap.train.probe.autograd.forward import in_layer, layer_names


def probeable(model: nn.Module) -> nn.Module:
    """The model, out of what ``torch.compile`` has wrapped around it.

    Raises:
        InputError: it is no module, TorchScript, not initialised, or on the meta device, which has no numbers.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model of type {type(model).__name__}: expected a torch.nn.Module")
    with guard("looking at the model failed"):
        while isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        names = layer_names(model)
        for module in names:
            if isinstance(module, torch.jit.ScriptModule):
                raise InputError(
                    f"the model is TorchScript{in_layer(names, module)}, whose layers cannot be watched: give the "
                    "module that it was made from"
                )
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if nn.parameter.is_lazy(value):
                raise InputError(f"{name!r} is not initialised: call the model once on a batch of this shape")
            if value.is_meta:
                raise InputError(f"{name!r} is on the meta device, which has no numbers: expected weights")
    return model


def set_mode(model: nn.Module, mode: str) -> None:
    """Puts the model into ``train`` or ``eval`` mode, or leaves it (``as-is``).

    Raises:
        InputError: a ``train`` of the model's own fails.
    """
    if mode == "as-is":
        return
    names = layer_names(model)

    def failed(error: BaseException) -> str:
        trace, where = error.__traceback__, ""
        while trace is not None:
            first = trace.tb_frame.f_code.co_varnames[:1]  # self, by whatever name
            owner = trace.tb_frame.f_locals.get(*first) if first else None
            where = in_layer(names, owner) if isinstance(owner, nn.Module) else where
            trace = trace.tb_next
        return f"train({mode == 'train'}) of the model's own fails{where}"

    with guard(failed):
        model.train(mode == "train")


def uncompiled() -> AbstractContextManager[object]:
    """Within, what ``torch.compile`` has compiled runs as it was written, so that hooks are called."""
    if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
        return torch.compiler.set_stance("force_eager")
    return nullcontext()
