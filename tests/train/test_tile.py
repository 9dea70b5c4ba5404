"""One tile: stacked training is training one by one, outcomes are told apart, and the result says what was done."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import phasemap.train.engine.evaluation
import phasemap.train.tile
from phasemap.models.initial_weights import HIDDEN, READ_OUT, normal_weights
from phasemap.theory.errors import InputError
from phasemap.train.cells import identity
from phasemap.train.data.load import load
from phasemap.train.engine.data_order import epoch_order
from phasemap.train.parameters import normalise
from phasemap.train.tile import train_tile

SMALL: dict[str, Any] = {"width": 16, "batch_size": 32, "train_size": 200, "test_size": 100, "lr": 0.05, "steps": 15}


def content(**parameters: Any) -> dict[str, Any]:
    return dict(train_tile({**SMALL, **parameters})["content"])


def capture_stacks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The stacks that training ends with, as the evaluation sees them."""
    stacks: list[Any] = []
    real = phasemap.train.tile.evaluate

    def spy(stack: Any, *arguments: Any, **options: Any) -> Any:
        if stack not in stacks:
            stacks.append(stack)
        return real(stack, *arguments, **options)

    monkeypatch.setattr(phasemap.train.tile, "evaluate", spy)
    return stacks


def plain_training(parameters: dict[str, Any]) -> tuple[nn.Sequential, list[float]]:
    """One cell trained in the ordinary way: torch.nn layers, torch.optim, no stack, no Lightning."""
    p = normalise(parameters)
    data = load(p)
    layers: list[nn.Module] = []
    fan_in = data.x_train.shape[1]
    for layer in range(p["depth"]):
        linear = nn.Linear(fan_in, p["width"], bias=False, dtype=torch.float64)
        weight = normal_weights(p["seed"], HIDDEN, layer, fan_in, p["width"])
        linear.weight = nn.Parameter(torch.from_numpy(weight).T.contiguous())
        layers += [linear, nn.BatchNorm1d(p["width"], eps=p["eps"], dtype=torch.float64), nn.ReLU()]
        nn.init.constant_(layers[-2].weight, p["gamma"])  # type: ignore[arg-type]
        fan_in = p["width"]
    head = nn.Linear(fan_in, data.classes, dtype=torch.float64)
    weight = normal_weights(p["seed"], READ_OUT, 0, fan_in, data.classes)
    head.weight = nn.Parameter(torch.from_numpy(weight).T.contiguous())
    nn.init.zeros_(head.bias)
    network = nn.Sequential(*layers, head)
    optimizer = torch.optim.SGD(network.parameters(), p["lr"], momentum=p["momentum"])
    per_epoch = len(data.x_train) // p["batch_size"]
    losses = []
    for step in range(p["steps"]):
        rows = epoch_order(p["seed"], step // per_epoch, len(data.x_train), p["batch_size"])[step % per_epoch]
        logits = network(torch.from_numpy(data.x_train[rows]).double())
        loss = functional.cross_entropy(logits, torch.from_numpy(data.y_train[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return network, losses


def relative_distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Of whole tensors: an entry that happens to be near zero has no digits to compare."""
    return float((ours - theirs).detach().norm() / theirs.detach().norm())


def test_one_ragged_stack_finds_the_parameters_of_plain_single_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, depth ≤ 20, ≤ 20 steps: deep BN networks are chaotic, and rounding grows beyond that."""
    axes = {"depth": [3, 12, 7], "seed": [0, 4], "lr": [0.05, 0.02]}
    stacks = capture_stacks(monkeypatch)
    result = content(**axes, dtype="float64", momentum=0.5, steps=10)
    (stack,) = stacks
    deepest_first = sorted(result["cells"], key=lambda cell: -cell["parameters"]["depth"])
    for member, cell in enumerate(deepest_first):
        network, losses = plain_training(cell["parameters"])
        for layer in range(cell["parameters"]["depth"]):
            assert relative_distance(stack.weight[layer][member].T, network[3 * layer].weight) < 1e-9
            assert relative_distance(stack.gamma[layer][member], network[3 * layer + 1].weight) < 1e-9
            assert relative_distance(stack.beta[layer][member], network[3 * layer + 1].bias) < 1e-9
        assert relative_distance(stack.read_out[member].T, network[-1].weight) < 1e-9
        np.testing.assert_allclose(cell["history"]["loss"], losses, rtol=1e-9)
        data = load(cell["parameters"])
        with torch.no_grad():
            predicted = network.eval()(torch.from_numpy(data.x_test).double()).argmax(1).numpy()
        assert cell["test_accuracy"] == pytest.approx(float(np.mean(predicted == data.y_test)))


def test_chunks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = {"depth": [30, 4, 11], "seed": [2, 0]}
    together = content(**axes)
    monkeypatch.setattr(phasemap.train.tile, "chunks", lambda points, **plan: [[5, 0], [2], [1, 3, 4]])
    assert content(**axes) == together
    monkeypatch.undo()
    for place, cell in enumerate(together["cells"]):
        if place % 2:
            alone = content(depth=cell["parameters"]["depth"], seed=cell["seed"])
            assert alone["cells"] == [cell]


def test_company_changes_no_bit_of_an_evaluation_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test set that does not fit into one part: the parts' sums must not depend on how many networks there are."""
    monkeypatch.setattr(phasemap.train.engine.evaluation, "ELEMENTS_AT_ONCE", 2**12)
    together = content(depth=3, seed=list(range(12)), test_size=400)["cells"]
    assert content(depth=3, seed=7, test_size=400)["cells"] == [together[7]]


def test_tf32_is_off_recorded_and_part_of_the_identity_only_where_it_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    seen: list[list[bool]] = []
    real = phasemap.train.tile._train_chunk

    def spy(*arguments: Any) -> Any:
        seen.append([switch.allow_tf32 for switch in switches])
        return real(*arguments)

    monkeypatch.setattr(phasemap.train.tile, "_train_chunk", spy)
    before = [switch.allow_tf32 for switch in switches]
    assert content(depth=2)["parameters"]["tf32"] is None
    assert content(depth=2, tf32=True)["parameters"]["tf32"] is True
    assert seen == [[False, False], [True, True]]
    assert [switch.allow_tf32 for switch in switches] == before
    raw = {"lr": 0.1, "steps": 1}
    assert identity(normalise({**raw, "tf32": False})) == identity(normalise(raw))
    assert identity(normalise({**raw, "tf32": "true"})) != identity(normalise(raw))


def test_a_diverged_member_leaves_its_neighbours_bitwise_alone() -> None:
    with_bad = content(depth=6, lr=[0.05, 1e6], seed=1)["cells"]
    without = content(depth=6, lr=0.05, seed=1)["cells"]
    assert with_bad[0] == without[0]
    assert with_bad[1]["outcome"] == "diverged"
    assert 1 <= with_bad[1]["diverged_at"] <= 15
    assert with_bad[1]["test_accuracy"] is None
    assert with_bad[1]["test_loss"] is None


def test_the_processors_denormals_are_there_again_after_training() -> None:
    content(depth=2, steps=1)
    assert float(torch.tensor(1e-310, dtype=torch.float64) / 2) > 0


def test_dead_is_not_diverged() -> None:
    """BN with gamma 0 and beta -1 before relu: every hidden activation is 0, the logits are the bias."""
    result = content(gamma=[0.0, 1.0], beta=-1.0, train_bn=False, depth=3)
    assert [cell["outcome"] for cell in result["cells"]] == ["dead", "finished"]
    assert result["cells"][0]["diverged_at"] is None


def test_frozen_and_trained_bn_differ() -> None:
    assert content(train_bn=True)["cells"][0]["train_loss"] != content(train_bn=False)["cells"][0]["train_loss"]


def test_training_learns_and_depth_hurts() -> None:
    cells = content(depth=[3, 60], steps=80, width=32)["cells"]
    assert cells[0]["test_accuracy"] > 0.7
    assert cells[1]["test_accuracy"] < 0.4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rmsprop_learns(dtype: str) -> None:
    (cell,) = content(optimizer="rmsprop", lr=3e-3, depth=3, steps=100, dtype=dtype)["cells"]
    assert cell["test_accuracy"] > 0.7


def test_result_says_what_was_done() -> None:
    progress: list[dict[str, Any]] = []
    result = train_tile({**SMALL, "depth": [2, 5], "steps": 45}, progress=progress.append)
    json.dumps(result, allow_nan=False)
    cell = result["content"]["cells"][1]
    assert cell["parameters"]["depth"] == 5
    assert cell["sum_lr"] == pytest.approx(45 * 0.05)
    assert cell["history"]["step"][-1] == 45
    assert len(cell["history"]["step"]) == len(cell["history"]["loss"]) == 15
    assert result["content"]["parameters"] == normalise({**SMALL, "depth": [2, 5], "steps": 45})
    assert result["content"]["data"]["train_size"] == 200
    assert result["provenance"]["device"] == "cpu"
    assert progress[-1] == {"cells": 2, "steps": 90, "steps_done": 90}


def test_epochs_drop_the_last_partial_batch() -> None:
    assert content(steps=None, epochs=2)["cells"][0]["steps"] == 2 * (200 // 32)


def test_statistics_of_more_samples_than_there_are_do_not_exist() -> None:
    cell = content(batch_size=128, test_size=100)["cells"][0]
    assert cell["test_accuracy_batch"] is None
    assert cell["test_accuracy"] is not None


def test_sub_batch_statistics_are_the_theorys_batch_size() -> None:
    cells = content(batch_size=96, statistics_batch_size=8, depth=3)["cells"]
    assert cells[0]["outcome"] == "finished"
    assert cells[0]["train_loss"] != content(batch_size=96, depth=3)["cells"][0]["train_loss"]


def test_bad_parameters_train_nothing() -> None:
    with pytest.raises(InputError, match="depth"):
        train_tile({**SMALL, "depth": 0})


def test_residual_networks_train_and_have_one_way_to_evaluate() -> None:
    axes = {"depth": [2, 5], "beta_w": [0.0, 1.0], "beta_v": "@beta_w", "widths": ["16", "24/2@2"]}
    cells = content(architecture="resnet", activation="tanh", width=128, lr=0.02, steps=100, **axes)["cells"]
    assert len(cells) == 8
    assert all(cell["parameters"]["beta_v"] == cell["parameters"]["beta_w"] for cell in cells)
    assert min(cell["test_accuracy"] for cell in cells) > 0.4
    assert {cell["test_accuracy_batch"] for cell in cells} == {None}


def test_the_cpu_may_be_asked_for_on_a_machine_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Lightning warns that the GPU is not used; a warning is an error here, but pytest lets this one pass."""
    from pytorch_lightning.accelerators import CUDAAccelerator

    monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert content(depth=2)["cells"][0]["outcome"] == "finished"
