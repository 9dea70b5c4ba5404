"""VGG19-BN: torchvision's network trained as torch trains it, and crops and flips as one would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from phasemap.models.initial_weights import AUGMENTATION, generator
from phasemap.models.vgg import VGGCell, VGGStack
from phasemap.models.vgg_shapes import convolutions, multiplications
from phasemap.theory.errors import InputError
from phasemap.train.compat import torchvision_import as torchvision_ops
from phasemap.train.data.load import load
from phasemap.train.engine.checkpoint import Stopped
from phasemap.train.engine.data_order import epoch_order
from phasemap.train.engine.image_batches import Augmentation, as_pictures
from phasemap.train.engine.optimizers import schedule_factor
from phasemap.train.parameters import normalise
from phasemap.train.tile import train_tile

torchvision_ops.ensure()

TINY: dict[str, Any] = {
    "architecture": "vgg19-bn",
    "lr": 0.02,
    "momentum": 0.9,
    "eps": 1e-5,
    "batch_size": 4,
    "train_size": 8,
    "test_size": 6,
    "steps": 2,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def stack() -> VGGStack:
    return VGGStack([VGGCell(0, gamma=0.9, beta=0.1, eps=1e-3)], classes=7)


def test_the_layers_are_torchvisions(stack: VGGStack) -> None:
    counted, shapes = [], []

    def count(module: nn.Conv2d, _inputs: Any, output: torch.Tensor) -> None:
        side = output.shape[-1]
        shapes.append((module.in_channels, module.out_channels, side))
        counted.append(module.weight.numel() * side**2)

    handles = [m.register_forward_hook(count) for m in stack.features if isinstance(m, nn.Conv2d)]
    stack.forward_running(torch.zeros(1, 1, 3072))
    for handle in handles:
        handle.remove()
    assert shapes == convolutions()
    assert sum(counted) + 512 * 7 == multiplications(7)
    assert len([m for m in stack.features if isinstance(m, nn.BatchNorm2d)]) == 16


def test_initial_values_follow_from_the_seed(stack: VGGStack) -> None:
    again = VGGStack([VGGCell(0, gamma=0.9, beta=0.1, eps=1e-3)], classes=7)
    other = VGGStack([VGGCell(1)], classes=7)
    weights = [m.weight for m in stack.features if isinstance(m, nn.Conv2d)]
    for weight, same, different in zip(
        weights,
        [m.weight for m in again.features if isinstance(m, nn.Conv2d)],
        [m.weight for m in other.features if isinstance(m, nn.Conv2d)],
        strict=True,
    ):
        assert torch.equal(weight, same)
        assert not torch.equal(weight, different)
    last = weights[-1]
    assert last.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)
    for norm in (m for m in again.features if isinstance(m, nn.BatchNorm2d)):
        assert (norm.weight == 0.9).all()
        assert (norm.bias == 0.1).all()
        assert norm.eps == 1e-3


def test_evaluation_moves_no_running_statistics_and_training_does(stack: VGGStack) -> None:
    x = torch.randn(1, 6, 3072, generator=torch.Generator().manual_seed(0))
    norm = stack.features[1]
    before = norm.running_var.clone()
    with torch.no_grad():
        batch = stack(x, statistics_batch_size=3)
        running = stack.forward_running(x)
        assert torch.equal(norm.running_var, before)
        torch.testing.assert_close(batch[:, 3:], stack(x[:, 3:], statistics_batch_size=3))
        expected = stack.head(stack.features.eval()(x.view(6, 3, 32, 32)).flatten(1))
        stack.features.train()
        torch.testing.assert_close(running[0], expected)
        stack(x, statistics_batch_size=6, update_running=True)
    assert not torch.equal(norm.running_var, before)


@pytest.mark.slow
def test_two_steps_are_torchs_two_steps() -> None:
    """torchvision's features and torch's SGD with weight decay, written out, in float64."""
    parameters = {**TINY, "augment": False, "dtype": "float64", "beta": 0.5, "weight_decay": 0.01}
    (cell,) = train_tile(parameters)["content"]["cells"]
    p = normalise(parameters)
    data = load(p)
    network = VGGStack([VGGCell(0, beta=0.5, eps=1e-5)], classes=data.classes, dtype=torch.float64)
    plain = nn.Sequential(network.features, nn.Flatten(), network.head)
    optimizer = torch.optim.SGD(plain.parameters(), 0.02, momentum=0.9, weight_decay=0.01)
    pictures = np.repeat(np.repeat(data.x_train.reshape(-1, 1, 8, 8), 4, axis=2), 4, axis=3).repeat(3, axis=1)
    order = epoch_order(0, 0, 8, 4)
    losses = []
    for rows in order:
        loss = functional.cross_entropy(
            plain(torch.from_numpy(pictures[rows]).double()), torch.from_numpy(data.y_train[rows])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(cell["history"]["loss"], losses, rtol=1e-9)
    assert cell["epochs"]["epoch"] == [1.0]
    assert cell["epochs"]["train_loss"] == [pytest.approx(np.mean(losses), rel=1e-9)]
    assert cell["epochs"]["test_accuracy"] == [cell["test_accuracy"]]


def test_crops_and_flips_are_those_of_single_pictures() -> None:
    x = torch.randn(1, 5, 3072, generator=torch.Generator().manual_seed(1))

    def augmented(seed: int, step: int) -> torch.Tensor:
        augmentation = Augmentation(seed)
        (draws,) = augmentation.draws(step, 1, 5)
        return augmentation(x, draws).view(5, 3, 32, 32)

    found = augmented(3, 7)
    random = generator(3, AUGMENTATION, 7)
    top, left = random.integers(0, 9, (2, 5))
    flip = random.random((5, 1)) < 0.5
    assert flip.any()
    assert not flip.all()
    for k in range(5):
        wide = functional.pad(x[0, k].view(3, 32, 32), [4, 4, 4, 4])
        crop = wide[:, top[k] : top[k] + 32, left[k] : left[k] + 32]
        assert torch.equal(found[k], crop.flip(2) if flip[k] else crop)
    assert torch.equal(found, augmented(3, 7))
    assert not torch.equal(found, augmented(3, 8))
    assert not torch.equal(found, augmented(4, 7))


def test_a_blocks_draws_are_its_steps() -> None:
    augmentation = Augmentation(3)
    together = augmentation.draws(4, 3, 5)
    assert together.shape == (3, Augmentation.DRAWS, 5)
    assert torch.equal(together, torch.cat([augmentation.draws(step, 1, 5) for step in (4, 5, 6)]))


def test_every_data_set_of_pictures_becomes_three_by_32_by_32() -> None:
    digits = torch.arange(64.0).view(1, 64)
    big = as_pictures(digits, (8, 8)).view(3, 32, 32)
    assert torch.equal(big[0], big[2])
    assert torch.equal(big[0, ::4, ::4].flatten(), digits[0])
    grey = as_pictures(torch.ones(2, 784), (28, 28)).view(2, 3, 32, 32)
    assert float(grey.sum()) == 2 * 3 * 784
    assert float(grey[:, :, 2:30, 2:30].min()) == 1
    colour = torch.randn(2, 32, 32, 3)
    assert torch.equal(as_pictures(colour.flatten(1), (32, 32, 3)).view(2, 3, 32, 32), colour.permute(0, 3, 1, 2))
    for shape in ((8, 6), (64, 64, 3), (16, 16, 2), (10,)):
        with pytest.raises(InputError, match="square pictures"):
            as_pictures(torch.zeros(1, int(np.prod(shape))), shape)


@pytest.mark.slow
def test_a_stopped_network_ends_in_the_same_content(tmp_path: Path) -> None:
    parameters = {**TINY, "train_size": 4, "schedule": "steps", "monitor": "epoch"}
    whole = train_tile(parameters)["content"]
    path = tmp_path / "tile.ckpt"
    with pytest.raises(Stopped):
        train_tile(parameters, checkpoint=path, stopping=lambda: True)
    assert train_tile(parameters, checkpoint=path)["content"] == whole
    (cell,) = whole["cells"]
    assert cell["epochs"]["epoch"] == [1.0, 2.0]
    assert cell["sum_lr"] == pytest.approx(0.02 * (1 + 0.1))
    assert cell["monitor"]["step"] == [0, 1]
    assert len(cell["monitor"]["layer"]) == 33  # 16 convolutions, 16 BN scales, the read-out


def test_each_network_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = train_tile({**TINY, "steps": 1, "lr": [0.01, 1e6]})["content"]["cells"]
    assert [cell["parameters"]["lr"] for cell in cells] == [0.01, 1e6]
    assert cells[0]["history"]["loss"] == cells[1]["history"]["loss"]  # of the one batch before the update
    assert cells[1]["outcome"] == "diverged"
    assert cells[1]["epochs"]["test_accuracy"] == [None]


def test_the_schedule() -> None:
    assert [schedule_factor("steps", step, 8) for step in range(8)] == [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]
    assert schedule_factor("constant", 7, 8) == 1


def test_what_vgg_has_and_has_not() -> None:
    values = normalise(TINY)
    assert "depth" not in values
    assert "activation" not in values
    assert values["weight_decay"] == 5e-4
    assert "weight_decay" not in normalise({"lr": 0.1, "steps": 1})
    with pytest.raises(InputError) as caught:
        normalise({**TINY, "depth": 3, "optimizer": "rmsprop", "batch_size": 6, "statistics_batch_size": 3})
    told = " ".join(caught.value.messages)
    having = "bn-mlp and resnet and bn-resnet and mlp"
    assert f"depth: architecture vgg19-bn has no such parameter (only {having} have)" in told
    assert "trained by sgd only" in told
    with pytest.raises(InputError, match="only vgg19-bn has"):
        normalise({"lr": 0.1, "steps": 1, "schedule": "steps"})
