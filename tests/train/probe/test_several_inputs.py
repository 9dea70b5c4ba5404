"""Networks with several inputs, keyword inputs, tokens and dictionaries; the gradient ends at the first activation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import phasemap
from phasemap.theory.errors import InputError
from phasemap.train.monitors.signal_monitor import SignalPropagationMonitor
from phasemap.train.probe.measure import probe
from tests.train.probe.probed_models import assert_same, everything


class Language(nn.Module):
    """Tokens, positions and pre-norm transformer blocks."""

    def __init__(self, blocks: int = 4, width: int = 16) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(30, width), nn.Embedding(7, width)
        layer = {"batch_first": True, "norm_first": True, "dropout": 0.0}
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 2, 32, **layer) for _ in range(blocks))  # type: ignore[arg-type]
        self.head = nn.Linear(width, 30)

    def forward(self, input_ids: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        x = self.tokens(input_ids) + self.places(torch.arange(input_ids.shape[1]))
        for block in self.blocks:
            x = block(x, src_mask=mask)
        return {"logits": self.head(x)}


@dataclass
class Pair:
    x: Tensor
    y: Tensor


class Join(nn.Module):
    """Two inputs, in whatever form."""

    def __init__(self, read: Callable[..., tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.read = read
        self.left, self.right = nn.Linear(4, 8), nn.Linear(3, 8)
        self.deep = nn.Sequential(*(nn.Linear(8, 8) for _ in range(4)))

    def forward(self, *given: Any, **named: Any) -> Tensor:
        x, y = self.read(*given, **named)
        return self.deep(torch.tanh(self.left(x) + self.right(y)))


X, Y = torch.randn(6, 4), torch.randn(6, 3)
FORMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "arguments": (lambda x, y: (x, y), (X, Y), {}),
    "keywords": (lambda x, y: (x, y), (), {"x": X, "y": Y}),
    "both": (lambda x, y: (x, y), (X,), {"y": Y}),
    "mapping": (lambda d: (d["x"], d["y"]), ({"x": X, "y": Y},), {}),
    "nested": (lambda d: (d[0]["x"], d[1][0]), ([{"x": X}, (Y,)],), {}),
    "data class": (lambda p: (p.x, p.y), (Pair(X, Y),), {}),
    "beside a mask": (lambda m, x, y: (x * m[:, None], y), (torch.ones(6, dtype=torch.bool), X, Y), {}),
    "beside what is no tensor": (lambda x, y, flag: (x, y), (X, Y), {"flag": "text"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_call_measures_the_same(form: str) -> None:
    read, arguments, keywords = FORMS[form]
    torch.manual_seed(0)
    model = Join(read)
    before = everything(model)
    found = phasemap.probe(model, *arguments, **keywords)
    assert_same(before, everything(model))
    torch.manual_seed(0)
    plain = phasemap.probe(Join(lambda x, y: (x, y)), X, Y)
    assert found.points == ("left", "deep.0", "deep.1", "deep.2", "deep.3")
    np.testing.assert_array_equal(found.log_gradient, plain.log_gradient)
    assert "no gradient is taken by all but the first of the 2 floating-point inputs" in found.notes


def tokens(samples: int = 5) -> Tensor:
    return torch.randint(30, (samples, 7), generator=torch.Generator().manual_seed(1))


def test_tokens_have_gradients_from_their_embedding_on() -> None:
    """Those of autograd by the embedding's output, with the cotangent that the probe draws."""
    torch.manual_seed(0)
    model = Language()
    found = phasemap.probe(model, tokens(), seed=3)
    kept: list[Tensor] = []
    model.tokens.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    logits = model(tokens())["logits"]
    cotangent = torch.randn(logits.shape, generator=torch.Generator().manual_seed(3))
    (expected,) = torch.autograd.grad(logits, kept, cotangent)
    assert found.points[0] == "tokens"
    assert found.log_gradient[0] == pytest.approx(float(expected.norm().log()), abs=1e-5)
    assert "the input holds integers: the gradient is followed to the output of 'tokens'" in found.notes
    assert "no gradient arrives at 'places'" in found.notes
    assert len(found.points) == 2 + 2 * 4  # the embedding, two blocks of each layer, the head
    assert found.rate is not None


def test_keyword_tokens_and_a_mask_that_is_not_the_start() -> None:
    mask = torch.zeros(7, 7)
    torch.manual_seed(0)
    model = Language()
    named, plain = phasemap.probe(model, input_ids=tokens(), mask=mask), phasemap.probe(model, tokens())
    np.testing.assert_allclose(named.log_gradient, plain.log_gradient, atol=1e-5)
    assert "no gradient is taken by the 1 floating-point input" in named.notes


class Writes(nn.Module):
    """Writes into what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.linear = nn.Embedding(30, 4), nn.Linear(4, 4)

    def forward(self, ids: Tensor, scale: dict[str, Tensor]) -> Tensor:
        x = self.embed(ids.clamp_(max=3))
        return self.linear(x.mul_(scale["by"].mul_(2)))


def test_inputs_are_left_as_they_were() -> None:
    ids, scale = tokens(), {"by": torch.ones(1)}
    before = copy.deepcopy((ids, scale))
    found = probe(Writes(), ids, scale)
    assert np.isfinite(found.log_gradient).all()
    assert torch.equal(ids, before[0])
    assert torch.equal(scale["by"], before[1]["by"])


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm, self.read = nn.Embedding(30, 8), nn.LSTM(8, 8, 2, batch_first=True), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.lstm(self.embed(x))[0][:, -1])


def test_a_recurrent_network_of_tokens() -> None:
    found = probe(Recurrent(), tokens())
    assert found.points == ("embed", "lstm", "read")
    assert np.isfinite(found.log_gradient).all()


@given(
    st.recursive(
        st.sampled_from(
            [None, 1, "text", tokens(2), torch.randn(2, 3), torch.ones(()), torch.ones(1, 2), object(), b""]
        ),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
        max_leaves=4,
    )
)
def test_whatever_is_given_is_measured_or_told(value: Any) -> None:
    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.linear = nn.Embedding(30, 3), nn.Linear(3, 3)

        def forward(self, given: Any) -> Tensor:
            given = given if isinstance(given, Tensor) else next(iter(given))
            return self.linear(given if given.is_floating_point() else self.embed(given))

    try:
        found = probe(Sums(), value)
    except InputError as error:
        found = None
        assert "\n" not in str(error) or len(error.messages) > 1  # noqa: PT017
    assert found is None or found.layers


def test_what_has_no_gradient_at_all_is_told() -> None:
    class Words(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.float().mean()

    with pytest.raises(InputError, match="no layer returns a floating-point activation of 5 samples"):
        probe(Words(), tokens())
    with pytest.raises(InputError, match="expected at least one tensor to call the model with"):
        phasemap.probe(nn.Linear(2, 2))
    with pytest.raises(InputError, match="batch size 1: expected at least 2"):
        probe(Language(), tokens(1))


def test_the_monitor_takes_tokens() -> None:
    assert SignalPropagationMonitor(samples=tokens()).samples is not None


def test_reprs_are_one_short_line() -> None:
    torch.manual_seed(0)
    found = probe(nn.Sequential(*(nn.Linear(4, 4) for _ in range(6))), torch.randn(5, 4))
    assert repr(found).startswith("Probe(6 layers, 6 of them or blocks on the gradient's way: λ_G ")
    assert repr(found.layers[0]).startswith("Layer(0: Linear, ln ‖gradient‖ ")
    for value in (found, found.layers[0], found.rate, found.moments[0]):
        assert len(repr(value)) < 200
        assert "\n" not in repr(value)
