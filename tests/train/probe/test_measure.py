"""The probe: autograd's own norms on any module at any depth; what is recognised, and what is refused."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from phasemap.theory.errors import InputError
from phasemap.train.compat import torchvision_import as torchvision_ops
from phasemap.train.probe.measure import Probe, probe
from tests.train.probe.probed_models import Residual, Shared, assert_same, everything, mlp


def reference(model: nn.Module, x: Tensor, seed: int) -> dict[str, float]:
    """ln ‖gradient‖ by name of the call, by torch.autograd.grad in float64, of the cotangent that the probe draws."""
    found: dict[str, Tensor] = {}
    numbers: dict[nn.Module, int] = {}
    names = {module: name for name, module in model.named_modules()}

    def keep(module: nn.Module, _: Any, output: Any) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if not isinstance(tensor, Tensor) or any(module.children()):
            return
        numbers[module] = numbers.get(module, 0) + 1
        # a copy of what comes out, put back in its place: later in-place functions then write to another tensor
        found[names[module] + (f"#{numbers[module]}" if numbers[module] > 1 else "")] = tensor

    handles = [m.register_forward_hook(keep) for m in names]
    output = model(x.clone().requires_grad_())
    for handle in handles:
        handle.remove()
    outputs = [output] if isinstance(output, Tensor) else [output.logits, output.extra["side"]]
    generator = torch.Generator().manual_seed(seed)
    cotangents = [torch.randn(o.shape, generator=generator).to(o) for o in outputs]
    gradients = torch.autograd.grad(outputs, list(found.values()), cotangents, allow_unused=True)
    return {
        name: math.log(float(torch.linalg.vector_norm(g)))
        for name, g in zip(found, gradients, strict=True)
        if g is not None
    }


@pytest.mark.parametrize("make", [lambda: mlp(6, 7), lambda: Residual(4, 6)], ids=["chain", "residual"])
def test_rescaled_backprop_finds_autograds_norms(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    model = make().double()
    x = torch.randn(9, 5, dtype=torch.float64)
    found = probe(model, x, seed=3)
    expected = reference(copy.deepcopy(model), x, 3)
    assert set(expected) == {layer.name for layer in found.layers}
    for layer in found.layers:
        assert layer.log_gradient == pytest.approx(expected[layer.name], abs=1e-12)


def test_activation_moments() -> None:
    torch.manual_seed(0)
    model = mlp(2, 6).double()
    x = torch.randn(7, 5, dtype=torch.float64)
    found = {layer.name: layer.moments for layer in probe(model, x).layers}
    a = torch.relu(functional.batch_norm(model[0](x), None, None, training=True)).detach()
    norms = a.norm(dim=1)
    cosines = (a @ a.T) / norms[:, None] / norms
    assert found["2"].mean == pytest.approx(float(a.mean()), abs=1e-14)
    assert found["2"].mean_square == pytest.approx(float((a * a).mean()), abs=1e-14)
    assert found["2"].variance == pytest.approx(float(a.var(unbiased=False)), abs=1e-14)
    assert found["2"].cosine == pytest.approx(float((cosines.sum() - 7) / 42), abs=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_depth_in_any_dtype(dtype: torch.dtype) -> None:
    """At B = 4 and depth 400 ‖gradient‖ grows by exp(144 ± 9) over seeds, beyond float32's exp(88.7), in which plain
    backprop overflows."""
    torch.manual_seed(0)
    model = mlp(400, 16, phi=nn.ReLU, bias=False)
    found = probe(model.to(dtype), torch.randn(4, 5).to(dtype))
    assert np.isfinite(found.log_gradient).all()
    assert found.log_gradient[0] - found.log_gradient[-1] > math.log(torch.finfo(torch.float32).max)
    assert found.rate is not None
    assert found.rate.regime == "exploding"


def test_shared_modules_in_place_tuples_dropout_frozen_and_unused_parameters() -> None:
    torch.manual_seed(0)
    model = Shared()
    found = probe(model, torch.randn(16, 5))
    names = [layer.name for layer in found.layers]
    assert names[:3] == ["first", "relu", "again"]
    assert {"relu#5", "again#4", "norm#4", "drop#4", "side"} <= set(names)
    assert "unused" not in names
    assert all(math.isfinite(layer.log_gradient) for layer in found.layers)
    assert found.points == ("first", "again", "again#2", "again#3", "again#4")  # the side branch has an end of its own
    assert found.rate is not None


def test_the_in_place_activation_does_not_hide_the_pre_activation() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    written = copy.deepcopy(plain)
    for module in written:
        if isinstance(module, nn.ReLU):
            module.inplace = True
    x = torch.randn(6, 5)
    first, second = probe(plain, x), probe(written, x)
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.moments == other.moments
        assert one.log_gradient == other.log_gradient


def test_one_forward_and_one_backward_pass() -> None:
    """Less than the three forward-backward passes that a probe may cost: every layer runs once in each direction."""
    counts = {"forward": 0, "backward": 0, "weight": 0}

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            counts["forward"] += 1
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            counts["backward"] += 1
            return g

    class Weighed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            counts["weight"] += 1
            return g

    class Layer(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(Counted.apply(x), Weighed.apply(self.weight), self.bias)

    depth = 12
    probe(nn.Sequential(*(Layer(6, 6) for _ in range(depth))), torch.randn(8, 6))
    assert counts == {"forward": depth, "backward": depth, "weight": 0}  # and no gradient by weights at all


@pytest.mark.slow
def test_torchvisions_networks() -> None:
    torchvision_ops.ensure()
    import torchvision

    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    vgg = probe(torchvision.models.vgg19_bn(weights=None), x)
    assert len(vgg.layers) == 61
    assert len(vgg.points) == 19  # 16 convolutions, 3 Linear layers
    assert vgg.points[0] == "features.0"
    assert vgg.rate is not None
    assert any("Conv2d" in note for note in vgg.notes)
    assert not any("functions" in note for note in vgg.notes)  # its ReLUs, in place, are modules
    resnet = probe(torchvision.models.resnet50(weights=None), x)
    assert resnet.points[:3] == ("conv1", "layer1.0", "layer1.1")
    assert len(resnet.points) == 18  # the stem, 16 blocks, the read-out
    assert any("layers: Add (16)" in note for note in resnet.notes)
    assert resnet.rate is not None
    assert resnet.rate.log_rate > 0


def test_functional_activations_are_named() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(5))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = functional.relu(layer(x))
            return x

    found = probe(Functional(), torch.randn(8, 6))
    assert len(found.layers) == 5
    assert any("functions between the modules" in note and "Relu (5)" in note for note in found.notes)


def test_attention_and_parametrized_weights() -> None:
    """Modules whose children are not called, and children that are only called to make a weight."""
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)),
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)),
        nn.Linear(8, 2),
    )
    before = everything(model)
    found = probe(model, torch.randn(4, 3, 8))
    assert_same(before, everything(model))
    kinds = {layer.name: layer.kind for layer in found.layers}
    assert kinds["1.self_attn"] == "MultiheadAttention"
    assert {"0", "2", "3", "1.linear1"} <= set(kinds)
    assert not any("parametrizations" in name for name in kinds)
    assert found.points[0] == "0"
    assert found.points[-2:] == ("2", "3")


def expect(message: str, model: nn.Module, x: Tensor, **options: Any) -> None:
    with pytest.raises(InputError, match=message):
        probe(model, x, **options)


def test_bad_input_is_named() -> None:
    expect("batch size 1: expected at least 2", mlp(2, 4), torch.randn(1, 5))
    expect("mode 'test': expected one of train, eval, as-is", mlp(2, 4), torch.randn(4, 5), mode="test")
    expect("the forward pass fails in layer .0. .Linear.", mlp(2, 4), torch.ones(4, 5, dtype=torch.int64))
    expect("no floating-point tensor", Output(lambda x: x.argmax(1)), torch.randn(4, 5))
    expect(
        "does not depend on its input",
        Output(lambda x: x.detach() * torch.ones(1, requires_grad=True)),
        torch.randn(4, 5),
    )
    expect("call the model once", nn.LazyLinear(3), torch.randn(4, 5))


class Output(nn.Module):
    """Returns what a function makes of its input."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def test_what_does_not_exist_is_said() -> None:
    shallow = probe(nn.Linear(3, 2), torch.randn(4, 3))
    assert shallow.rate is None
    assert any("at least 3" in note for note in shallow.notes)
    dead = mlp(5, 4)
    dead[6].weight.data.zero_()
    found: Probe = probe(dead, torch.randn(8, 5))
    assert found.rate is None
    assert any("zero or not finite" in note for note in found.notes)
    broken = mlp(5, 4)
    broken[3].weight.data.fill_(math.nan)
    found = probe(broken, torch.randn(8, 5))
    assert found.rate is None
    assert any("not finite from layer '3'" in note for note in found.notes)
