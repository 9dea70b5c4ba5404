"""SGD and RMSProp for stacks: every member has a learning rate of its own, and no member touches another.

A parameter of a stack has k ≤ K members in its leading dimension, the first k of the stack (deepest first), so its
learning rates are the first k of the stack's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter


@dataclass(frozen=True)
class _Group:
    """Parameters that are updated together by foreach operations, and what their gradients are multiplied by."""

    parameters: list[Tensor]
    minus_lr: list[Tensor]

    def gradients(self) -> list[Tensor]:
        return [p.grad for p in self.parameters]  # type: ignore[misc]


class _MemberOptimizer(torch.optim.Optimizer):
    """
    Args:
        passes: operations of one update. Where there are several, all of them are done on one weight before the next is
            turned to: it is in a CPU's cache then, and what lies between two operations is no larger than it.
    """

    def __init__(self, parameters: Iterable[Parameter], lr: Float[Tensor, " K"], *, passes: int) -> None:
        trained: list[Tensor] = [p for p in parameters if p.requires_grad]
        super().__init__(trained, {})
        # CUDA's foreach operations take tensors of one shape only: what is small (BN's, biases) gets its learning rates
        # in full; a weight has operations to itself, which are long enough, and leaves no more than its own size over.
        small = [p for p in trained if p.dim() < 3 or p.shape[1] == 1]
        large = [p for p in trained if not (p.dim() < 3 or p.shape[1] == 1)]
        on_cpu = trained[0].device.type == "cpu"
        together = [
            *([[p] for p in large] if passes > 1 else [large]),
            *([[p] for p in small] if passes > 1 and on_cpu else [small]),
        ]
        in_full = {id(p) for p in small}

        def minus(p: Tensor) -> Tensor:
            rates = -lr[: len(p)].to(p).view(-1, *[1] * (p.dim() - 1))
            return rates.expand_as(p).contiguous() if id(p) in in_full else rates

        self.groups = [_Group(group, [minus(p) for p in group]) for group in together if group]

    def close(self, closure: Callable[[], float] | None) -> None:
        """Calls what Lightning hands to a step: its callbacks' moment between backward pass and update."""
        if closure is not None:
            with torch.enable_grad():
                closure()

    def kept(self, name: str, group: _Group) -> list[Tensor]:
        """What the optimizer remembers of each parameter; a checkpoint keeps it."""
        return [self.state[p][name] for p in group.parameters]


class MemberSGD(_MemberOptimizer):
    """Plain SGD, with heavy-ball momentum if ``momentum`` > 0 (as torch.optim.SGD, dampening 0)."""

    def __init__(self, parameters: Iterable[Parameter], lr: Float[Tensor, " K"], *, momentum: float = 0.0) -> None:
        super().__init__(parameters, lr, passes=3 if momentum else 1)
        self.momentum = momentum
        for group in self.groups if momentum else []:
            for p in group.parameters:
                self.state[p]["velocity"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients that are there, or that ``closure`` leaves."""
        self.close(closure)
        for group in self.groups:
            update = group.gradients()
            if self.momentum:
                velocity = self.kept("velocity", group)
                torch._foreach_mul_(velocity, self.momentum)
                torch._foreach_add_(velocity, update)
                update = velocity
            torch._foreach_addcmul_(group.parameters, update, group.minus_lr)


class MemberRMSprop(_MemberOptimizer):
    """RMSProp as torch.optim.RMSprop (not centred, no momentum): g / (sqrt(mean of g²) + eps)."""

    def __init__(
        self, parameters: Iterable[Parameter], lr: Float[Tensor, " K"], *, alpha: float = 0.99, eps: float = 1e-8
    ) -> None:
        super().__init__(parameters, lr, passes=6)
        self.alpha, self.eps = alpha, eps
        for group in self.groups:
            for p in group.parameters:
                self.state[p]["square"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients that are there, or that ``closure`` leaves."""
        self.close(closure)
        for group in self.groups:
            gradients, square = group.gradients(), self.kept("square", group)
            torch._foreach_mul_(square, self.alpha)
            torch._foreach_addcmul_(square, gradients, gradients, value=1 - self.alpha)
            root = torch._foreach_sqrt(square)
            torch._foreach_add_(root, self.eps)
            torch._foreach_div_(gradients, root)  # they are freed next, and no memory is asked for
            torch._foreach_addcmul_(group.parameters, gradients, group.minus_lr)


class ScheduledSGD(torch.optim.SGD):
    """torch's SGD of one network, with a learning rate that follows a schedule over ``steps``."""

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float,
        *,
        momentum: float,
        weight_decay: float,
        schedule: str,
        steps: int,
    ) -> None:
        trained = [p for p in parameters if p.requires_grad]
        super().__init__(trained, lr, momentum=momentum, weight_decay=weight_decay)
        self.schedule, self.steps = schedule, steps
        self.param_groups[0].update(highest=lr, done=0)  # in the group, a checkpoint keeps them

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step at the schedule's learning rate."""
        group = self.param_groups[0]
        group["lr"] = group["highest"] * schedule_factor(self.schedule, group["done"], self.steps)
        group["done"] += 1
        return super().step(closure)


def schedule_factor(schedule: str, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at ``step`` of ``steps``: ``constant``, or, for ``steps``, a tenth from
    half of them on and a hundredth from three quarters."""
    if schedule == "constant":
        return 1.0
    return 0.01 if 4 * step >= 3 * steps else 0.1 if 2 * step >= steps else 1.0


def member_optimizer(
    parameters: Iterable[Parameter], lr: Float[Tensor, " K"], settings: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """The optimizer that normalised tile parameters ask for."""
    if settings["optimizer"] == "rmsprop":
        return MemberRMSprop(parameters, lr, alpha=settings["rmsprop_alpha"], eps=settings["rmsprop_eps"])
    return MemberSGD(parameters, lr, momentum=settings["momentum"])
