"""A probe leaves the model, its gradients and the random generators bitwise as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from phasemap.theory.errors import InputError
from phasemap.train.probe.measure import probe
from phasemap.train.probe.untouched import untouched
from tests.train.probe.probed_models import Shared, assert_same, everything, mlp


@pytest.mark.parametrize("mode", ["train", "eval", "as-is"])
def test_the_model_and_the_generators_are_left_as_they_were(mode: str) -> None:
    """Bitwise: modes of every submodule, gradients (with None), buffers, flags, hooks, attributes, generators."""
    torch.manual_seed(0)
    model = Shared()
    model.norm.eval()
    model.drop.train()
    model.register_forward_hook(lambda *_: None)
    output = model(torch.randn(8, 5))
    output.logits.sum().backward()  # some gradients are there, some are None
    before, seen = everything(model), list(model.seen)
    state = torch.get_rng_state()
    first = probe(model, torch.randn(16, 5, generator=torch.Generator().manual_seed(1)), mode=mode)
    assert torch.equal(torch.get_rng_state(), state)
    assert_same(before, everything(model))
    assert model.seen == seen
    torch.manual_seed(77)  # and what it finds does not depend on the global generators
    again = probe(model, torch.randn(16, 5, generator=torch.Generator().manual_seed(1)), mode=mode)
    assert [layer.log_gradient for layer in again.layers] == [layer.log_gradient for layer in first.layers]


def test_left_as_it_was_also_when_the_forward_pass_fails() -> None:
    model = mlp(3, 6)
    model.eval()
    before = everything(model)
    with pytest.raises(InputError, match=r"shape \(4, 9\).*layer '0' \(Linear\)"):
        probe(model, torch.randn(4, 9))
    assert_same(before, everything(model))


def test_a_gradient_that_is_on_its_way_survives_a_probe() -> None:
    """Frozen BN keeps its running statistics for the backward pass: they must not be written to, not even the same."""
    model = mlp(2, 6).eval()
    loss = model(torch.randn(4, 5)).sum()
    probe(model, torch.randn(4, 5), mode="as-is")
    loss.backward()


def test_writing_into_a_parameter_is_refused() -> None:
    class Clipping(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                self.weight.clamp_(-1, 1)
            return super().forward(x)

    with pytest.raises(InputError, match="writes into its parameter 'weight'"):
        probe(Clipping(3, 3), torch.randn(4, 3))


def test_untouched_restores_after_an_exception() -> None:
    model = nn.BatchNorm1d(3)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002

    def spoil() -> None:
        with untouched(model):
            model(torch.randn(4, 3))
            model.eval()
            torch.rand(3)
            random.random()
            np.random.rand()  # noqa: NPY002
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        spoil()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]  # type: ignore[index] # noqa: NPY002
    assert model.training
    assert int(model.num_batches_tracked) == 0  # type: ignore[arg-type]
