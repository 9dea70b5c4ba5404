"""Models that cannot be watched are refused in a line that names the layer; compiled ones are measured as written."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from phasemap.theory.errors import InputError
from phasemap.train.probe.measure import probe
from tests.train.probe.probed_models import mlp

X = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))


class OwnTrain(nn.Linear):
    def train(self, loader: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("needs a loader")


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        raise SystemExit("no way back")


class NoWayBack(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Doubled.apply(x)


class Reentrant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(checkpoint(self.inner, x, use_reentrant=True))


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return mlp(2, 6)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (nn.Sequential(nn.Linear(5, 5), OwnTrain(5, 5)), r"train\(True\) .* in layer '1' \(OwnTrain\): RuntimeError"),
        (nn.Sequential(nn.Linear(5, 5), NoWayBack()), r"backward pass fails in layer '1' \(NoWayBack\): SystemExit"),
        (Reentrant(), r"backward pass fails in layer 'last' \(Linear\): RuntimeError: When use_reentrant=True"),
        (on_meta(), "'0.weight' is on the meta device"),
        (nn.Sequential(nn.LazyLinear(5)), "'0.weight' is not initialised"),
    ],
)
def test_what_cannot_be_watched(model: Any, told: str) -> None:
    with pytest.raises(InputError, match=told) as found:
        probe(model, X)
    assert len(found.value.messages[0].splitlines()) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_named() -> None:
    scripted = torch.jit.trace(nn.Linear(5, 5), X)
    with pytest.raises(InputError, match=r"TorchScript in layer '1' \(TopLevelTracedModule\)"):
        probe(nn.Sequential(nn.Linear(5, 5), scripted), X)
    with pytest.raises(InputError, match="the model is TorchScript, whose"):
        probe(scripted, X)


def test_what_a_layer_raised_and_the_model_caught_is_no_trouble() -> None:
    class Catching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(3, 6)

        def forward(self, x: Tensor) -> Tensor:
            try:
                self.body(x[:, :2])
            except RuntimeError:
                return self.body(x)
            raise AssertionError

    assert [layer.name for layer in probe(Catching(), X).layers][:2] == ["body.0", "body.1"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("place", ["whole", "inside", "in place"])
def test_a_compiled_model_is_measured_as_written(place: str) -> None:
    plain, model = mlp(4, 6), mlp(4, 6)
    model.load_state_dict(plain.state_dict())
    compiled: Any = model
    if place == "in place":
        model.compile(backend="eager")
    elif place == "whole":
        compiled = torch.compile(model, backend="eager")
    else:
        plain, compiled = nn.Sequential(plain), nn.Sequential(torch.compile(model, backend="eager"))
    one, other = probe(plain, X), probe(compiled, X)
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    assert one.log_gradient.tolist() == other.log_gradient.tolist()
