"""The layers' magnitudes: autograd's own norms, at any depth, on any module; and recording changes no training."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_mlp import BNMLPCell, BNMLPStack
from phasemap.models.residual import ResidualCell, ResidualStack
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import gradient_explosion_rate
from phasemap.theory.residual.widths import parse_widths
from phasemap.train.cells import identity
from phasemap.train.compat.lightning import pl
from phasemap.train.monitors.layer_magnitudes import LayerWatch
from phasemap.train.monitors.layer_monitor import LayerMonitor
from phasemap.train.parameters import normalise
from phasemap.train.probe.autograd.backward import log_norm
from phasemap.train.tile import train_tile

SMALL: dict[str, Any] = {"width": 12, "batch_size": 32, "train_size": 200, "test_size": 100, "lr": 0.05, "steps": 4}


class Plain(pl.LightningModule):
    """An ordinary module with automatic optimization: convolution, BN, two Linear layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.net = nn.Sequential(
            nn.Conv2d(2, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(4 * 3 * 3, 6),
            nn.ReLU(inplace=True),
            nn.Linear(6, 3),
        ).double()
        self.expected: list[list[tuple[float, float, float]]] = []

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The loss; before it, its gradients by torch.autograd.grad, without any call of a module."""
        conv, norm, first, last = (module for module in self.net if hasattr(module, "weight"))
        h1 = functional.conv2d(batch[0], conv.weight)
        h2 = functional.batch_norm(h1, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        h3 = functional.linear(torch.tanh(h2).flatten(1), first.weight, first.bias)
        h4 = functional.linear(torch.relu(h3), last.weight, last.bias)
        loss, layers, outputs = functional.cross_entropy(h4, batch[1]), [conv, norm, first, last], [h1, h2, h3, h4]
        weights = [layer.weight for layer in layers]
        by_weight = torch.autograd.grad(loss, weights, retain_graph=True)
        by_output = torch.autograd.grad(loss, outputs)
        sizes = zip(weights, by_weight, by_output, strict=True)
        self.expected.append([tuple(float(torch.linalg.norm(part)) for part in row) for row in sizes])
        return functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.3, weight_decay=0.1)


def fit(module: pl.LightningModule, monitor: LayerMonitor, batches: list[Any]) -> None:
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=1, callbacks=[monitor], enable_model_summary=False, accelerator="cpu", **options
        )
        trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))


def test_the_callback_finds_autograds_norms_on_any_module() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 8, 2, 5, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (4, 8), generator=generator)
    module, monitor = Plain(), LayerMonitor(lambda step: step in (0, 2))
    fit(module, monitor, list(zip(images, labels, strict=True)))
    assert monitor.steps == [0, 2]
    for step, record in zip(monitor.steps, monitor.records, strict=True):
        assert [r.name for r in record] == ["net.0", "net.1", "net.4", "net.6"]
        for found, (weight, by_weight, by_output) in zip(record, module.expected[step], strict=True):
            assert float(found.weight) == pytest.approx(math.log(weight), abs=1e-12)
            assert float(found.weight_gradient) == pytest.approx(math.log(by_weight), abs=1e-12)
            assert float(found.output_gradient) == pytest.approx(math.log(by_output), abs=1e-12)
    assert not any(m._forward_hooks for m in module.net)


def test_an_interrupted_training_leaves_no_hook() -> None:
    module = Plain()
    bad = (torch.zeros(8, 2, 5, 5, dtype=torch.float64), torch.zeros(8))  # labels that are no numbers of classes
    with pytest.raises(Exception, match="Long"):
        fit(module, LayerMonitor(), [bad])
    assert not any(m._forward_hooks for m in module.net)


def three_layers(stack: BNMLPStack, member: int, x: Tensor, y: Tensor) -> list[tuple[float, float, float]]:
    """(weight, its gradient, pre-activation's gradient) of one network, written out with torch.autograd.grad."""
    weights = [w[member].detach().clone().requires_grad_() for w in stack.weight if member < len(w)]
    pre_activations = []
    for weight in weights:
        h = x @ weight
        pre_activations.append(h)
        variance = h.var(0, unbiased=False)
        x = torch.relu((h - h.mean(0)) / torch.sqrt(variance + 1e-3))
    loss = functional.cross_entropy(x @ stack.read_out[member].detach(), y)
    both = torch.autograd.grad(loss, [*weights, *pre_activations])
    count = len(weights)
    return [
        tuple(float(torch.linalg.norm(t)) for t in (w, g, d))
        for w, g, d in zip(weights, both[:count], both[count:], strict=True)
    ]


def test_a_stack_gives_each_networks_own_norms() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(16, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 3, (16,), generator=generator)
    cells = [BNMLPCell(2, 0), BNMLPCell(3, 4)]
    stack = BNMLPStack(cells, inputs=5, width=7, classes=3, activation=torch_activation("relu"), dtype=torch.float64)
    watch = LayerWatch(stack)
    assert watch.names == ("1", "2", "3")
    logits = stack(x.expand(2, -1, -1), statistics_batch_size=16)
    functional.cross_entropy(logits.transpose(1, 2), y.expand(2, -1), reduction="none").mean(1).sum().backward()
    found = watch.collect()
    watch.detach()
    assert stack.watch is None
    for member in range(2):
        expected = three_layers(stack, member, x, y)
        mine = [r for r in found if member < len(r.weight)]
        got = [[float(q[member]) for q in (r.weight, r.weight_gradient, r.output_gradient)] for r in mine]
        np.testing.assert_allclose(got, np.log(expected), rtol=0, atol=1e-12)


def test_residual_stacks_are_watched_too() -> None:
    stack = ResidualStack(
        [ResidualCell(3, 0)], inputs=5, widths=parse_widths("6", 3), classes=3, activation=torch_activation("tanh")
    )
    watch = LayerWatch(stack)
    stack(torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert all(r.output_gradient.isfinite().all() and r.weight_gradient.isfinite().all() for r in watch.collect())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_five_hundred_layers_do_not_overflow(dtype: torch.dtype) -> None:
    """At batch size 8 the gradient grows by e^(0.27·500) ≈ 1e59: beyond float32 itself, and its square beyond that.

    In float32 what overflows is said to be not finite, and never a wrong number.
    """
    depth, batch = 500, 8
    stack = BNMLPStack(
        [BNMLPCell(depth, 0)], inputs=64, width=64, classes=10, activation=torch_activation("relu"), dtype=dtype
    )
    watch = LayerWatch(stack)
    x = torch.randn(1, batch, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    stack(x, statistics_batch_size=batch).logsumexp(2).sum().backward()
    gradients = np.array([float(r.output_gradient) for r in watch.collect()])
    rate = gradient_explosion_rate(activation("relu"), batch, eps=1e-3)
    if dtype == torch.float64:
        assert np.isfinite(gradients).all()
        slope = 2 * (gradients[20] - gradients[480]) / 460
        # a layer's fluctuation at width 64 is of order sqrt(1/64), the bias of order 1/64
        assert slope == pytest.approx(math.log(rate), abs=4 * math.sqrt(2 / 64 / 460) + 4 / 64)
        assert gradients[0] > 0.4 * math.log(rate) * depth
    else:
        alive = np.isfinite(gradients)
        assert alive[-100:].all()
        np.testing.assert_array_equal(np.sort(alive), alive)  # once lost, lost below
        assert gradients[alive].max() > math.log(1e19)  # whose square is beyond float32


@given(st.floats(-290, 290), st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=1, max_size=6))
def test_the_norm_of_a_multiple(exponent: float, values: list[float]) -> None:
    x = torch.tensor([[1.0, *values]], dtype=torch.float64)
    scaled = log_norm(x * 10.0**exponent)
    assert float(scaled) == pytest.approx(0.5 * math.log(float((x * x).sum())) + exponent * math.log(10), abs=1e-9)


def test_norms_that_do_not_exist() -> None:
    rows = torch.tensor([[0.0, 0.0], [math.inf, 1.0], [math.nan, 1.0], [3e38, 3e38]])
    found = log_norm(rows).tolist()
    assert found[0] == -math.inf
    assert math.isnan(found[1])
    assert math.isnan(found[2])
    assert found[3] == pytest.approx(math.log(3e38) + math.log(2) / 2)


def test_a_monitored_tile_is_the_same_training_and_says_more(tmp_path: Path) -> None:
    axes = {"depth": [2, 4], "seed": [0, 1]}
    plain = train_tile({**SMALL, **axes})["content"]["cells"]
    watched = train_tile({**SMALL, **axes, "monitor": "step"})["content"]["cells"]
    for one, other in zip(plain, watched, strict=True):
        series = other.pop("monitor")
        assert {**other, "parameters": None} == {**one, "parameters": None}
        assert series["step"] == [0, 1, 2, 3]
        assert series["layer"] == [str(layer + 1) for layer in range(one["parameters"]["depth"])]
        assert np.array(series["log_weight"], dtype=float).shape == (4, one["parameters"]["depth"])
    by_epoch = train_tile({**SMALL, "steps": 13, "monitor": "epoch"})["content"]["cells"][0]["monitor"]
    assert by_epoch["step"] == [0, 6, 12]


def test_rmsprop_is_monitored_too() -> None:
    cell = train_tile({**SMALL, "optimizer": "rmsprop", "lr": 1e-3, "monitor": "step"})["content"]["cells"][0]
    assert len(cell["monitor"]["log_weight"]) == 4


def test_what_is_not_monitored_keeps_its_identity() -> None:
    base = {"lr": 0.1, "steps": 1}
    assert "monitor" not in identity(normalise(base))
    assert identity(normalise({**base, "monitor": "step"})) != identity(normalise(base))
    assert identity(normalise({**base, "picture": "layers"})) == identity(normalise(base))


def test_a_checkpoint_holds_the_records_without_pickled_objects() -> None:
    monitor = LayerMonitor()
    module = Plain()
    batch = (torch.randn(8, 2, 5, 5, dtype=torch.float64), torch.zeros(8, dtype=torch.int64))
    fit(module, monitor, [batch, batch])
    stream = io.BytesIO()
    torch.save(monitor.state_dict(), stream)
    stream.seek(0)
    again = LayerMonitor()
    again.load_state_dict(torch.load(stream, weights_only=True))
    assert again.series() == monitor.series()
    assert again.series()["step"] == [0, 1]
