"""Watches what a computation asks of its device: torch's ``meta`` device stands in for a GPU, which tests rarely have.

Meta tensors have shapes and no numbers. Whatever would have the host wait for a GPU (reading a number, copying to the
host) cannot be done on them and is an error, and so is an operation on tensors of two devices. The one thing that meta
tensors let pass, numbers that the host makes and sends, is an error here.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = "meta"
NO_KERNEL = {
    *("_record_function_enter_new", "_record_function_exit", "_reshape_alias", "_unsafe_view", "alias", "detach"),
    *("expand", "permute", "select", "slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind"),
    *("unsqueeze", "view"),
}
PRODUCTS = {"addmm", "baddbmm", "bmm", "convolution", "convolution_backward", "mm"}


class OnDevice(TorchDispatchMode):
    """Counts, while it is entered, the kernels that are launched, the bytes that they read and write, and memory.

    Attributes:
        kernels: launches by operation; a foreach operation is one if its tensors' shapes agree, as on CUDA.
        moved: bytes read and written by all of them but the matrix products.
        held, height: bytes of the tensors that were made since and are alive, now and at most.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.moved = self.held = self.height = 0
        self.storages: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        read, written = _tensors((args, kwargs)), _tensors(out)
        for tensor in [*(t for t in read if t.dim()), *written]:  # CUDA takes a number of the host's with the launch
            assert tensor.device.type == DEVICE, f"{name}: a tensor {tuple(tensor.shape)} on {tensor.device}"
        if name.startswith("_foreach") and name.endswith("_"):
            written = _tensors(args[0])  # which such an operation does not return
        if name not in NO_KERNEL:
            self.kernels[name] += _launches(name, args)
            if name not in PRODUCTS:
                self.moved += sum(t.numel() * t.element_size() for t in [*read, *written])
        for tensor in read:  # what is read before it was written was there before
            self._note(tensor.untyped_storage(), counted=False)
        for tensor in written:
            self._note(tensor.untyped_storage(), counted=True)
        return out

    def _note(self, storage: torch.UntypedStorage, *, counted: bool) -> None:
        known = self.storages.get(id(storage))
        if known is not None and known() is storage:
            return
        size, key = storage.nbytes() if counted else 0, id(storage)

        def freed(_: Any) -> None:
            self.held -= size

        self.storages[key] = weakref.ref(storage, freed)
        self.held += size
        self.height = max(self.height, self.held)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _launches(name: str, args: tuple[Any, ...]) -> int:
    if not name.startswith("_foreach"):
        return 1
    lists = [arg for arg in args if isinstance(arg, (list, tuple))]
    fast = all(len({t.shape for t in together}) == 1 for together in zip(*lists, strict=True))
    return 1 if fast else len(lists[0])


def launches_of(step: Callable[[], None]) -> OnDevice:
    """What one call does."""
    with OnDevice() as seen:
        step()
    return seen
