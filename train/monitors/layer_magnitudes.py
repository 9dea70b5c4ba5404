"""Magnitudes of every layer in a training step: of its weights, of their gradient, of the gradient by its output.

What is computed, apart from when (layer_monitor.py) and from how it is drawn (sweeps/figures). Norms are natural
logarithms in float64, scaled by the largest entry: neither a sum of squares overflows nor one underflows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from phasemap.models.stack import Stack
from phasemap.train.probe.autograd.backward import log_norm

LINEAR = (nn.Linear, nn.modules.conv._ConvNd)
NORMALISATION = (nn.modules.batchnorm._BatchNorm,)


@dataclass(frozen=True)
class LayerMagnitudes:
    """ln of the norms of one layer, one for each network k of a stack that has it (one for an ordinary module).

    Attributes:
        weight: ‖W‖, or ‖γ‖ of a BN layer. weight_gradient: ‖∂L/∂W‖.
        output_gradient: ‖∂L/∂h‖, h = W·x: by the pre-activations, over the whole batch. NaN where nothing was
            recorded or no gradient arrived.
    """

    name: str
    weight: Float[Tensor, " k"]
    weight_gradient: Float[Tensor, " k"]
    output_gradient: Float[Tensor, " k"]


class LayerWatch:
    """Watches the layers of any module: Linear, convolution and BN modules, and the hidden layers of stacks.

    While ``wanted()``, a forward pass leaves hooks on the layers' outputs, and the backward pass computes the norms of
    the gradients that come by; nothing but numbers is kept.

    Attributes:
        names: the layers, in the order in which the module holds them.
    """

    def __init__(self, module: nn.Module, wanted: Callable[[], bool] = lambda: True) -> None:
        self.wanted = wanted
        self.stacked: dict[str, Tensor] = {}  # weights with a leading dimension of networks
        self.single: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.handles: list[RemovableHandle] = []
        self.stacks: list[Stack] = []
        for path, child in module.named_modules():
            if isinstance(child, Stack) and (hidden := child.hidden_weights()):
                names = [f"{path}.{layer}" if path else str(layer) for layer in range(1, len(hidden) + 1)]
                self.stacked.update(zip(names, hidden, strict=True))
                child.watch = self._watch_stack(names)
                self.stacks.append(child)
            elif isinstance(child, (*LINEAR, *NORMALISATION)) and child.weight is not None:
                self.single[path] = child.weight
                self.handles.append(child.register_forward_hook(self._watch_module(path)))
        self.names = (*self.stacked, *self.single)

    def detach(self) -> None:
        """Takes every hook away."""
        for handle in self.handles:
            handle.remove()
        for stack in self.stacks:
            stack.watch = None

    def collect(self) -> list[LayerMagnitudes]:
        """The magnitudes since the last call: to be called after the backward pass and before the update."""
        found = []
        for name in self.names:
            weight = self.stacked.get(name, self.single.get(name))
            assert weight is not None
            size = self._log_norm(name, weight)
            nothing = torch.full_like(size, torch.nan)
            gradient = nothing if weight.grad is None else self._log_norm(name, weight.grad)
            found.append(LayerMagnitudes(name, size, gradient, self.outputs.get(name, nothing)))
        self.outputs.clear()
        return found

    def _log_norm(self, name: str, x: Tensor) -> Tensor:
        return log_norm(x if name in self.stacked else x.unsqueeze(0))

    def _watch_stack(self, names: list[str]) -> Callable[[int, Tensor], None]:
        def watch(layer: int, output: Tensor) -> None:
            self._expect(names[layer], output)

        return watch

    def _watch_module(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def watch(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._expect(name, output)

        return watch

    def _expect(self, name: str, output: Tensor) -> None:
        if not (output.requires_grad and self.wanted()):
            return

        def arrived(gradient: Tensor) -> None:
            norm = self._log_norm(name, gradient)
            # a module that is passed several times in one step: the norm over all its outputs
            self.outputs[name] = _together(self.outputs[name], norm) if name in self.outputs else norm

        output.register_hook(arrived)


def _together(a: Tensor, b: Tensor) -> Tensor:
    return torch.logaddexp(2 * a, 2 * b) / 2
