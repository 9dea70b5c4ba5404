"""Member-wise optimizers against torch's own, one instance for each member with its own learning rate."""

from typing import Any

import pytest
import torch

from phasemap.train.engine.optimizers import member_optimizer

RATES = [0.1, 0.003, 0.02]


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ({"optimizer": "sgd", "momentum": 0.0}, lambda p, lr: torch.optim.SGD(p, lr)),
        ({"optimizer": "sgd", "momentum": 0.9}, lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)),
        (
            {"optimizer": "rmsprop", "rmsprop_alpha": 0.9, "rmsprop_eps": 1e-6},
            lambda p, lr: torch.optim.RMSprop(p, lr, alpha=0.9, eps=1e-6),
        ),
    ],
)
def test_each_member_moves_as_torch_would_move_it(settings: dict[str, Any], reference: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(count, 4, 2, generator=generator, dtype=torch.float64) for count in (3, 2)]
    pull = [torch.randn(count, 4, 2, generator=generator, dtype=torch.float64) for count in (3, 2)]
    stacked = [torch.nn.Parameter(value.clone()) for value in start]
    optimizer = member_optimizer(stacked, torch.tensor(RATES, dtype=torch.float64), settings)
    single = [[torch.nn.Parameter(value[k].clone()) for value in start if k < len(value)] for k in range(3)]
    singles = [reference(parameters, rate) for parameters, rate in zip(single, RATES, strict=True)]

    def loss(values: list[torch.Tensor], k: int) -> torch.Tensor:
        return sum((value - target[k]).pow(4).sum() for value, target in zip(values, pull, strict=False))  # type: ignore

    for _ in range(5):
        optimizer.zero_grad()
        torch.stack([loss([p[k] for p in stacked if k < len(p)], k) for k in range(3)]).sum().backward()
        optimizer.step()
        for k in range(3):
            singles[k].zero_grad()
            loss(list(single[k]), k).backward()
            singles[k].step()
    for k in range(3):
        for ours, theirs in zip([p[k] for p in stacked if k < len(p)], single[k], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
