"""The step over buffers that stay where they are, eager and recorded: a stand-in for CUDA's graphs runs on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from phasemap.models.activations import torch_activation
from phasemap.models.batchnorm_mlp import BNMLPCell, BNMLPStack
from phasemap.train.engine.cuda_graph import WARM_UP, CudaRecorder, Repeat, why_eager
from phasemap.train.engine.optimizers import member_optimizer
from phasemap.train.engine.step import Step

CELLS = [BNMLPCell(4, 0), BNMLPCell(2, 1), BNMLPCell(4, 1)]
SAMPLES, INPUTS, BATCH, STEPS = 40, 6, 8, 9
Said = list[str]


def make_step(settings: dict[str, Any], longest: int = STEPS) -> Step:
    generator = torch.Generator().manual_seed(0)
    stack = BNMLPStack(CELLS, inputs=INPUTS, width=10, classes=3, activation=torch_activation("relu"))
    return Step(
        stack,
        samples=torch.randn(SAMPLES, INPUTS, generator=generator),
        labels=torch.randint(0, 3, (SAMPLES,), generator=generator),
        seed_of_member=torch.tensor([0, 1, 1]),
        statistics_batch_size=BATCH,
        optimizer=member_optimizer(stack.parameters(), torch.tensor([0.1, 0.05, 0.2]), settings),
        longest=longest,
    )


def tables() -> Tensor:
    return torch.randint(0, SAMPLES, (STEPS, 2, BATCH), generator=torch.Generator().manual_seed(1))


class Recording:
    """As a CUDA graph: every replay does what the recorded call did, on the same buffers; recording does nothing."""

    def __init__(self, step: Callable[[], None]) -> None:
        self.step, self.replays, self.freed = step, 0, False

    def replay(self) -> None:
        assert not self.freed
        self.replays += 1
        self.step()

    def reset(self) -> None:
        self.freed = True


class StandIn:
    """A recorder for the CPU."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.graphs, self.beside_steps, self.attempts = error, [], 0, 0

    @contextmanager
    def beside(self) -> Iterator[None]:
        self.beside_steps += 1
        yield

    def record(self, step: Callable[[], None]) -> Recording:
        self.attempts += 1
        if self.error:
            raise self.error
        self.graphs.append(Recording(step))
        return self.graphs[-1]


def train(repeat: Repeat, block: int) -> tuple[dict[str, Tensor], Tensor]:
    losses = []
    for part in tables().split(block):
        repeat.step.load(part)
        for _ in part:
            repeat()
        losses.append(repeat.step.done(len(part)))
    return repeat.step.stack.state_dict(), torch.cat(losses)


def assert_equal(one: tuple[dict[str, Tensor], Tensor], other: tuple[dict[str, Tensor], Tensor]) -> None:
    assert torch.equal(one[1], other[1])
    assert all(torch.equal(value, other[0][name]) for name, value in one[0].items())


SETTINGS = [
    {"optimizer": "sgd", "momentum": 0.0},
    {"optimizer": "sgd", "momentum": 0.9},
    {"optimizer": "rmsprop", "rmsprop_alpha": 0.9, "rmsprop_eps": 1e-6},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["sgd", "momentum", "rmsprop"])
@pytest.mark.parametrize("block", [1, 4, STEPS])
def test_recorded_steps_are_steps_of_the_training_like_any_other(settings: dict[str, Any], block: int) -> None:
    eager = train(Repeat(make_step(settings), None, pytest.fail), STEPS)
    recorder = StandIn()
    recorded = train(Repeat(make_step(settings), recorder, pytest.fail), block)
    assert_equal(eager, recorded)
    assert (recorder.attempts, recorder.beside_steps, recorder.graphs[0].replays) == (1, WARM_UP, STEPS - WARM_UP)


def test_a_capture_that_fails_is_said_once_and_changes_nothing() -> None:
    said: Said = []
    recorder = StandIn(RuntimeError("operation not permitted when stream is capturing\nmore"))
    recorded = train(Repeat(make_step(SETTINGS[1]), recorder, said.append), 4)
    assert_equal(train(Repeat(make_step(SETTINGS[1]), None, pytest.fail), STEPS), recorded)
    assert said == ["the capture failed (RuntimeError: operation not permitted when stream is capturing)"]
    assert (recorder.attempts, recorder.beside_steps) == (1, WARM_UP)  # the others where all else runs


def test_running_out_of_memory_in_a_capture_is_no_reason_to_go_on() -> None:
    broken = RuntimeError("capture invalidated")
    broken.__context__ = torch.cuda.OutOfMemoryError("out of memory")
    with pytest.raises(RuntimeError, match="invalidated"):
        train(Repeat(make_step(SETTINGS[0]), StandIn(broken), pytest.fail), 4)


def test_released_memory_is_not_replayed() -> None:
    recorder = StandIn()
    repeat = Repeat(make_step(SETTINGS[0]), recorder, pytest.fail)
    train(repeat, STEPS)
    repeat.release()
    assert recorder.graphs[0].freed
    assert repeat.graph is None
    train(repeat, STEPS)  # eagerly


def test_each_members_losses_are_those_of_its_own_seeds_samples() -> None:
    """And buffers keep their places: a graph goes on reading and writing where they were when it was recorded."""
    step = make_step(SETTINGS[0])
    block = tables()
    x, y = step.samples[block[0, step.seed_of_member]], step.labels[block[0, step.seed_of_member]]
    with torch.no_grad():
        logits = step.stack(x, statistics_batch_size=BATCH)
    expected = torch.stack([functional.cross_entropy(logits[k], y[k]) for k in range(3)])
    step.load(block)
    assert step.tables is not None
    held = [step.tables, step.position, step.losses, *step.stack.parameters(), *step.stack.buffers()]
    places = [tensor.data_ptr() for tensor in held]
    step()
    torch.testing.assert_close(step.done(1)[0], expected)
    step.load(block[:2])
    step()
    assert places == [tensor.data_ptr() for tensor in held]
    assert all(p.grad is None for p in step.stack.parameters())


def test_why_a_training_stays_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_eager(monitored=False, scheduled=False) is None
    assert why_eager(monitored=True, scheduled=False) == "the monitor reads every layer"
    monkeypatch.setattr(CudaRecorder, "broken", True)
    assert why_eager(monitored=False, scheduled=False) == "an earlier capture failed"
    monkeypatch.undo()
    assert ";" in str(why_eager(monitored=True, scheduled=True))
