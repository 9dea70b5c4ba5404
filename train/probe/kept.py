"""The values of everything that a model's code may change: kept before it runs, and put back afterwards.

What is reached from the model is followed: modules, their attributes, containers, plain objects, classes, closures and
the globals that its functions name. Objects stay the same objects; their contents are put back. Files, locks and what
belongs to libraries are left alone.
"""

from __future__ import annotations

import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LIBRARIES = {
    *sys.stdlib_module_names,
    *("torch", "torchvision", "torchmetrics", "pytorch_lightning", "lightning", "lightning_fabric"),
    *("lightning_utilities", "numpy", "scipy", "pandas", "matplotlib", "wandb", "phasemap"),
}
"""Whose classes and functions keep nothing of the model's own."""
ATOMS = {
    *(type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)),
    *(torch.dtype, torch.device, torch.Size, torch.memory_format, torch.layout, np.dtype),
    *(ModuleType, CodeType, BuiltinFunctionType),
}
PLAIN = (OrderedDict, dict, list, set, deque, bytearray)
"""Containers; a subclass stands before its base."""
MOST_OBJECTS = 300_000
"""That are followed; nobody waits for more."""
LARGEST = 2**28
"""Bytes of an array, or of a tensor that is no parameter or buffer, above which it is taken to be data."""
_MISSING: Any = object()


class Kept:
    """What is reached from ``model``.

    Attributes:
        written: after ``put_back``, the tensors whose numbers had been changed.
    """

    def __init__(self, model: nn.Module) -> None:
        self._known: dict[int, Any] = {}  # by id; the reference keeps the id taken
        self._containers: list[tuple[Any, list[Any]]] = []
        self._undo: list[Callable[[], None]] = []
        self._own = {id(t) for t in (*_tensors(model, "_parameters"), *_tensors(model, "_buffers"))}
        self.written: list[Tensor] = []
        self._open: list[Any] = [model]
        while self._open and len(self._known) < MOST_OBJECTS:
            found = self._open.pop()
            if id(found) in self._known:
                continue
            self._known[id(found)] = found
            if type(found) in PLAIN and not found:  # most there are: the modules' hooks
                self._containers.append((found, []))
                continue
            try:
                self._keep(found)
            except Exception:  # an object that cannot be looked at is left alone
                continue

    def put_back(self) -> None:
        """Gives everything the values that it had."""
        for container, before in self._containers:
            if (container or before) and not _unchanged(_contents(container), before):
                with suppress(Exception):
                    _put(container, before)
        for undo in self._undo:
            with suppress(Exception):  # what will not take its value does not keep the others from theirs
                undo()

    def _keep(self, found: Any) -> None:
        kind = type(found)
        if kind in PLAIN or issubclass(kind, PLAIN):
            self._keep_container(found)
        elif issubclass(kind, Tensor):
            self._keep_tensor(found)
        elif issubclass(kind, np.ndarray):
            self._keep_array(found)
        elif issubclass(kind, (tuple, frozenset)):
            self._open += found
        elif issubclass(kind, (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)):
            self._undo.append(_generator(found))
        elif issubclass(kind, type):
            self._keep_class(found)
        elif kind is FunctionType:
            self._keep_function(found)
        elif kind is CellType:
            value = found.cell_contents
            self._undo.append(lambda: setattr(found, "cell_contents", value))
            self._open.append(value)
        elif kind is MethodType:
            self._open += [found.__func__, found.__self__]
        elif kind is partial:
            self._open += [found.func, found.args, found.keywords]
        elif kind in ATOMS:
            return
        elif issubclass(kind, (nn.Module, SimpleNamespace)) or not _of_library(kind):
            self._keep_object(found)

    def _keep_tensor(self, tensor: Tensor) -> None:
        own = id(tensor) in self._own
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
            return
        if not own and tensor.nbytes > LARGEST:
            return
        before, value, leaf, requires_grad = tensor.data, tensor.detach().clone(), tensor.is_leaf, tensor.requires_grad
        gradient = tensor.grad if leaf else None
        hooks = [(name, getattr(tensor, name)) for name in ("_backward_hooks", "_post_accumulate_grad_hooks")]
        self._open += [gradient, *(each for _, each in hooks), vars(tensor)]

        def undo() -> None:
            now = tensor.data
            moved = now.data_ptr() != before.data_ptr() or now.dtype != before.dtype or now.shape != before.shape
            if moved or now.stride() != before.stride():
                tensor.data = before
                moved = not _same(now, value)
            if not _same(before, value):
                moved = True
                # batch normalisation writes its statistics without telling autograd: so does this
                with torch.inference_mode(tensor.is_inference()):
                    before.copy_(value)
            if moved:
                self.written.append(tensor)
            if leaf:
                if tensor.requires_grad != requires_grad:
                    tensor.requires_grad_(requires_grad)
                if tensor.grad is not gradient:
                    tensor.grad = gradient
            for name, each in hooks:
                if getattr(tensor, name) is not each:
                    setattr(tensor, name, each)

        self._undo.append(undo)

    def _keep_array(self, array: np.ndarray) -> None:
        if array.nbytes > LARGEST or not array.flags.writeable:
            return
        value = array.copy()
        if array.dtype.hasobject:
            self._open += array.ravel().tolist()

        def undo() -> None:
            if array.shape == value.shape and array.tobytes() != value.tobytes():
                array[...] = value

        self._undo.append(undo)

    def _keep_container(self, container: Any) -> None:
        before = _contents(container)
        self._containers.append((container, before))
        if before and type(container) is not bytearray:
            values = container.values() if isinstance(container, dict) else before
            self._open += [value for value in values if type(value) not in ATOMS]
        if type(container) not in PLAIN and hasattr(container, "__dict__"):
            self._open.append(vars(container))

    def _keep_class(self, kind: type) -> None:
        if _of_library(kind):
            return
        self._open += kind.__bases__
        before = {name: value for name, value in vars(kind).items() if not name.startswith("__")}
        self._open += before.values()
        self._undo.append(lambda: _set_back(vars(kind), before, partial(type.__setattr__, kind), kind))

    def _keep_function(self, function: FunctionType) -> None:
        if _of_library(function):
            return
        self._open += [function.__closure__ or (), function.__defaults__ or (), function.__kwdefaults__]
        self._open.append(vars(function))
        world = function.__globals__
        named = {name: world.get(name, _MISSING) for name in _names(function.__code__) if name not in self._known}
        self._open += [value for value in named.values() if value is not _MISSING]

        def undo() -> None:
            for name, value in named.items():
                if world.get(name, _MISSING) is not value:
                    if value is _MISSING:
                        del world[name]
                    else:
                        world[name] = value

        self._undo.append(undo)

    def _keep_object(self, found: Any) -> None:
        self._open.append(type(found))
        with suppress(TypeError):  # no __dict__
            self._open.append(vars(found))
        slots = [name for kind in type(found).__mro__ for name in _slots(kind)]
        if slots:
            before = {name: getattr(found, name) for name in slots if hasattr(found, name)}
            self._open += before.values()

            def undo() -> None:
                now = {name: getattr(found, name) for name in slots if hasattr(found, name)}
                _set_back(now, before, partial(object.__setattr__, found), found)

            self._undo.append(undo)


def _tensors(model: nn.Module, where: str) -> Iterable[Any]:
    return (t for module in model.modules() for t in vars(module).get(where, {}).values() if t is not None)


def _of_library(found: Any) -> bool:
    return str(getattr(found, "__module__", "")).partition(".")[0] in LIBRARIES


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are bitwise the same, NaN and the sign of zero too."""
    if one.shape != other.shape or one.dtype != other.dtype or one.device != other.device:
        return False
    return torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))


def _generator(found: Any) -> Callable[[], None]:
    """What gives a generator of random numbers the state that it has now."""
    if isinstance(found, np.random.Generator):
        bits, state = found.bit_generator, found.bit_generator.state
        return lambda: setattr(bits, "state", state)
    if isinstance(found, random.Random):
        return partial(found.setstate, found.getstate())
    return partial(found.set_state, found.get_state())


def _base(container: Any) -> Any:
    """The built-in type of a container, whose methods do what they say whatever a subclass makes of them."""
    return type(container) if type(container) in PLAIN else next(kind for kind in PLAIN if isinstance(container, kind))


def _contents(container: Any) -> list[Any]:
    """The contents in their order; of a dict its entries."""
    if not container:
        return []
    base = _base(container)
    return list(base.items(container) if issubclass(base, dict) else base.__iter__(container))


def _put(container: Any, before: list[Any]) -> None:
    base = _base(container)
    base.clear(container)
    (base.extend if hasattr(base, "extend") else base.update)(container, before)


def _unchanged(now: list[Any], before: list[Any]) -> bool:
    """Whether the contents are the same objects; entries of a dict are new tuples each time."""
    if len(now) != len(before):
        return False
    return all(
        one is other or (type(one) is tuple and type(other) is tuple and _pairwise(one, other))
        for one, other in zip(now, before, strict=True)
    )


def _pairwise(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _set_back(now: Any, before: dict[str, Any], assign: Callable[[str, Any], None], owner: Any) -> None:
    for name in [name for name in now if name not in before and not name.startswith("__")]:
        delattr(owner, name)
    for name, value in before.items():
        if now.get(name, _MISSING) is not value:
            assign(name, value)


def _names(code: CodeType) -> set[str]:
    """The names that a function, and those within it, look up."""
    return {*code.co_names, *(name for const in code.co_consts if type(const) is CodeType for name in _names(const))}


def _slots(kind: type) -> Iterable[str]:
    names = vars(kind).get("__slots__", ())
    return [names] if isinstance(names, str) else [name for name in names if name not in ("__dict__", "__weakref__")]
