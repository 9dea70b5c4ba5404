"""SGD and RMSProp for stacks: every member has a learning rate of its own, and no member touches another.

A parameter of a stack has k ≤ K members in its leading dimension, the first k of the stack (deepest first), so its
learning rates are the first k of the stack's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter

from train.parameters import VGG


class _MemberOptimizer(torch.optim.Optimizer):
    def __init__(self, parameters: Iterable[Parameter], lr: Float[Tensor, " K"]) -> None:
        trained = [p for p in parameters if p.requires_grad]
        super().__init__(trained, {})
        self.trained: list[Tensor] = [*trained]
        self.minus_lr = [-lr[: len(p)].to(p).view(-1, *[1] * (p.dim() - 1)) for p in trained]

    def close(self, closure: Callable[[], float] | None) -> None:
        """Calls what Lightning hands to a step: its callbacks' moment between backward pass and update."""
        if closure is not None:
            with torch.enable_grad():
                closure()

    def gradients(self) -> list[Tensor]:
        return [p.grad for p in self.trained]  # type: ignore[misc]

    def kept(self, name: str) -> list[Tensor]:
        """What the optimizer remembers of each parameter; a checkpoint keeps it."""
        return [self.state[p][name] for p in self.trained]


class MemberSGD(_MemberOptimizer):
    """Plain SGD, with heavy-ball momentum if ``momentum`` > 0 (as torch.optim.SGD, dampening 0)."""

    def __init__(self, parameters: Iterable[Parameter], lr: Float[Tensor, " K"], *, momentum: float = 0.0) -> None:
        super().__init__(parameters, lr)
        self.momentum = momentum
        for p in self.trained if momentum else []:
            self.state[p]["velocity"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients that are there, or that ``closure`` leaves."""
        self.close(closure)
        update = self.gradients()
        if self.momentum:
            velocity = self.kept("velocity")
            torch._foreach_mul_(velocity, self.momentum)
            torch._foreach_add_(velocity, update)
            update = velocity
        torch._foreach_addcmul_(self.trained, update, self.minus_lr)


class MemberRMSprop(_MemberOptimizer):
    """RMSProp as torch.optim.RMSprop (not centred, no momentum): g / (sqrt(mean of g²) + eps)."""

    def __init__(
        self, parameters: Iterable[Parameter], lr: Float[Tensor, " K"], *, alpha: float = 0.99, eps: float = 1e-8
    ) -> None:
        super().__init__(parameters, lr)
        self.alpha, self.eps = alpha, eps
        for p in self.trained:
            self.state[p]["square"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step along the gradients that are there, or that ``closure`` leaves."""
        self.close(closure)
        gradients, square = self.gradients(), self.kept("square")
        torch._foreach_mul_(square, self.alpha)
        torch._foreach_addcmul_(square, gradients, gradients, value=1 - self.alpha)
        root = torch._foreach_sqrt(square)
        torch._foreach_add_(root, self.eps)
        torch._foreach_addcmul_(self.trained, torch._foreach_div(gradients, root), self.minus_lr)


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


def make_optimizer(
    parameters: Iterable[Parameter], lr: Float[Tensor, " K"], settings: dict[str, Any], steps: int = 0
) -> torch.optim.Optimizer:
    """The optimizer that normalised tile parameters ask for, for a training of ``steps``."""
    if settings.get("architecture") == VGG:
        return ScheduledSGD(
            parameters,
            float(lr[0]),
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
            schedule=settings["schedule"],
            steps=steps,
        )
    if settings["optimizer"] == "rmsprop":
        return MemberRMSprop(parameters, lr, alpha=settings["rmsprop_alpha"], eps=settings["rmsprop_eps"])
    return MemberSGD(parameters, lr, momentum=settings["momentum"])
