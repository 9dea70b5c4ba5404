"""Whatever a forward pass changes of what it can reach has its old value afterwards, found by drawing such changes."""

from __future__ import annotations

import copy
import random
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from phasemap.train.probe.kept import Kept

STEPS = 0
LOG: list[int] = []
GENERATOR = np.random.default_rng(1)


@dataclass
class State:
    count: int = 0


class Slotted:
    __slots__ = ("count", "late")

    def __init__(self) -> None:
        self.count = 0


def counted() -> Callable[[], int]:
    number = 0

    def count() -> int:
        nonlocal number
        number += 1
        return number

    return count


def remembers(x: float, seen: list[float] = []) -> int:  # noqa: B006 - that is the point
    seen.append(x)
    return len(seen)


class Changing(nn.Module):
    """Has one of everything that may be changed."""

    calls = 0
    history: list[int] = []  # noqa: RUF012 - a class's own, as people write them

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.register_buffer("average", torch.zeros(4))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.nested: dict[str, Any] = {"a": {"b": [0, {1}]}}
        self.state, self.slotted, self.space = State(), Slotted(), types.SimpleNamespace(count=0)
        self.own_torch = torch.Generator().manual_seed(3)
        self.own_python, self.own_numpy, self.own_legacy = (
            random.Random(3),
            np.random.default_rng(3),
            np.random.RandomState(3),
        )
        self.array, self.tensors, self.bytes = np.zeros(3), [torch.zeros(2)], bytearray(b"abc")
        self.queue, self.lists = deque([1, 2], maxlen=2), defaultdict(list)
        self.counter, self.ordered = Counter("ab"), OrderedDict(a=1, b=2)
        self.hidden = [nn.BatchNorm1d(4)]
        self.count, self.part = counted(), partial(remembers, seen=[])
        self.method = self.state.__init__  # type: ignore[misc]


def _global(m: Changing) -> None:
    global STEPS
    STEPS += 1


def _new_global(m: Changing) -> None:
    global MADE_LATE
    MADE_LATE = 1  # type: ignore[name-defined]


def _grown(m: Changing) -> None:
    m.late = nn.Linear(4, 4)
    m.first.register_buffer("late", torch.zeros(1))


def _moved(m: Changing) -> None:
    m.second.weight.data = m.second.weight.data.double() * 2


def _gradients(m: Changing) -> None:
    m.first.weight.grad = torch.ones(4, 4)
    m.second(torch.ones(1, 4)).sum().backward()
    m.norm.weight.requires_grad_(False)


def _hooks(m: Changing) -> None:
    m.first.weight.register_hook(lambda g: g * 0.5)
    m.first.register_forward_hook(lambda *_: None)


CHANGES: dict[str, Callable[[Changing], Any]] = {
    "data": lambda m: m.first.weight.data.mul_(0.5),
    "moved": _moved,
    "sign of zero": lambda m: m.average.neg_(),
    "nan": lambda m: m.frozen.data.fill_(torch.nan),
    "norm": lambda m: m.norm(torch.randn(5, 4)),
    "hidden": lambda m: m.hidden[0](torch.randn(5, 4)),
    "mode": lambda m: m.eval(),
    "gradients": _gradients,
    "hooks": _hooks,
    "grown": _grown,
    "shrunk": lambda m: delattr(m, "norm"),
    "nested": lambda m: (m.nested["a"]["b"].append(1), m.nested["a"]["b"][1].add(7), m.nested.update(c=1)),
    "objects": lambda m: (setattr(m.state, "count", 1), setattr(m.slotted, "late", 2), setattr(m.space, "count", 3)),
    "torch generator": lambda m: torch.rand(1, generator=m.own_torch),
    "other generators": lambda m: (
        m.own_python.random(),
        m.own_numpy.normal(),
        m.own_legacy.rand(),
        GENERATOR.normal(),
    ),
    "arrays": lambda m: (m.array.__iadd__(1), m.tensors[0].add_(1), m.bytes.extend(b"d")),
    "containers": lambda m: (
        m.queue.append(3),
        m.lists["x"].append(1),
        m.counter.update("a"),
        m.ordered.move_to_end("a"),
    ),
    "closure": lambda m: m.count(),
    "default": lambda m: remembers(1.0),
    "partial": lambda m: m.part(1.0),
    "global": _global,
    "new global": _new_global,
    "global list": lambda m: LOG.append(1),
    "class": lambda m: (setattr(type(m), "calls", 1), type(m).history.append(1), setattr(type(m), "late", 1)),
}


def everything(m: Changing) -> Any:
    """All of it as plain values that can be compared."""
    tensors = {**dict(m.named_parameters()), **dict(m.named_buffers()), "tensor": m.tensors[0]}
    return copy.deepcopy(
        {
            "tensors": {name: (t.detach().numpy().tobytes(), t.dtype, t.requires_grad) for name, t in tensors.items()},
            "gradients": {name: None if p.grad is None else p.grad.tolist() for name, p in m.named_parameters()},
            "hooks": (m.first.weight._backward_hooks, dict(m.first._forward_hooks)),
            "modules": [(name, one.training, sorted(vars(one))) for name, one in m.named_modules()],
            "hidden": m.hidden[0].state_dict()["running_mean"].tolist(),
            "plain": (m.nested, m.state, m.slotted.count, hasattr(m.slotted, "late"), m.space.count),
            "arrays": (m.array.tolist(), bytes(m.bytes)),
            "containers": (list(m.queue), dict(m.lists), m.counter, list(m.ordered)),
            "generators": (m.own_torch.get_state().tolist(), m.own_python.getstate(), m.own_numpy.bit_generator.state),
            "others": (str(m.own_legacy.get_state()), GENERATOR.bit_generator.state),
            "closure": (m.count.__closure__[0].cell_contents, m.part.keywords, remembers.__defaults__),  # type: ignore[attr-defined]
            "globals": (STEPS, "MADE_LATE" in globals(), LOG),
            "class": (Changing.calls, Changing.history, hasattr(Changing, "late")),
        }
    )


class Forward(nn.Module):
    """Applies changes in its forward pass, as methods and functions that the class names."""

    def __init__(self, inner: Changing, names: tuple[str, ...]) -> None:
        super().__init__()
        self.inner, self.changes = inner, [CHANGES[name] for name in names]

    def forward(self, x: Tensor) -> Tensor:
        for change in self.changes:
            change(self.inner)
        return x


def check(names: tuple[str, ...]) -> None:
    inner = Changing()
    model, before = Forward(inner, names), everything(inner)
    place = inner.second.weight.data_ptr()
    kept = Kept(model)
    model(torch.zeros(1))
    assert everything(inner) != before, names  # there was something to put back
    kept.put_back()
    assert everything(inner) == before, names
    assert inner.second.weight.data_ptr() == place


@pytest.mark.parametrize("name", CHANGES)
def test_one_change_is_put_back(name: str) -> None:
    check((name,))


@pytest.mark.slow
def test_two_changes_are_put_back() -> None:
    for names in combinations(CHANGES, 2):
        check(tuple(sorted(names, key=("moved", "shrunk").count)))  # what others use goes last


def test_what_was_written_is_said() -> None:
    model = Changing()
    kept = Kept(model)
    model.first.weight.data.mul_(0.5)
    kept.put_back()
    assert [id(tensor) for tensor in kept.written] == [id(model.first.weight)]


def test_data_of_a_library_and_large_arrays_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phasemap.train.probe.kept.LARGEST", 100)
    model = Changing()
    model.data = np.zeros(1000)
    kept = Kept(model)
    model.data += 1
    kept.put_back()
    assert model.data.sum() == 1000
