"""Knife edges: a value from which a small change leads to failure is not advised where another is there, and else
marked and never listed first."""

from __future__ import annotations

import pytest

from phasemap.sweeps.advice.answer import advise, text
from phasemap.sweeps.advice.batchnorm import ADVISER, _choice
from phasemap.sweeps.advice.kappa import Kappa, papers_kappa
from phasemap.sweeps.advice.reach import NEAR, Criterion
from phasemap.sweeps.advice.vanishing import Vanishing
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.parameter_search import Found, Span

CRITERION = ADVISER._criterion({}, None)
STEEP = Criterion(papers_kappa(), (Vanishing(Kappa(4.9, 4.9, 4.9, "made up"), 95.0, Setting("tanh", 32)),))
SETTINGS = [
    ("tanh", 40, {"eps": 1.6}),
    ("tanh", 50, {"eps": 1.2}),
    ("tanh", 120, {"gamma": 0.1}),
    ("tanh", 250, {"eps": 0.9}),
    ("tanh", 2300, {}),
    ("erf", 200, {"eps": 1.3}),
    ("relu", 28, {"gamma": 0.05}),
    ("relu", 28, {"eps": 0.356}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "depth", "given"), SETTINGS)
def test_what_is_not_marked_bears_a_small_change(activation: str, depth: int, given: dict[str, float]) -> None:
    record = advise("bn-mlp", depth, {"activation": activation, "batch_size": 64, **given})
    fragile = []
    for change in record["advice"]:
        name, chosen = change["parameter"], change["recommended"]
        if chosen is None or name == "batch_size":
            continue
        fragile.append(chosen["fragile"])
        if not chosen["fragile"]:
            steps = (-NEAR, NEAR) if name == "beta" else (-NEAR * chosen["value"], NEAR * chosen["value"])
            network = {**ADVISER.defaults, "activation": activation, **given}
            near = [CRITERION.reach(Setting(**{**network, name: chosen["value"] + step})) for step in steps]
            assert {reach.verdict(depth) for reach in near if reach} <= {"trainable", "borderline"}
            assert None not in near
    assert fragile
    first = record["advice"][0]["recommended"]
    assert first is None or not first["fragile"]


@pytest.mark.slow
def test_a_knife_edge_is_marked_and_stands_last() -> None:
    record = advise("bn-mlp", 2300, {"activation": "tanh", "batch_size": 64})
    assert [one["parameter"] for one in record["advice"]][-1] == "eps"
    assert record["advice"][-1]["recommended"]["fragile"]
    said = text(record)
    assert "0.817, fragile" in said
    assert "fragile: 4% more or less of it, and networks fail or nothing is known." in said


@pytest.mark.parametrize(
    ("name", "depth", "given", "spans", "value", "fragile"),
    [
        ("gamma", 40, {"eps": 1.6}, (Span(1.1865, 2.8),), 1.24, False),
        ("eps", 40, {"eps": 1.6}, (Span(1e-6, 1.1306, open_low=True),), 1.08, False),
        ("eps", 2300, {}, (Span(0.8167, 0.825),), 0.817, True),
        ("gamma", 120, {}, (Span(0.261, 0.7155),), 0.715, False),
    ],
)
def test_of_an_interval_with_room_the_edge_is_left_alone(
    name: str, depth: int, given: dict[str, float], spans: tuple[Span, ...], value: float, fragile: bool
) -> None:
    """Of an edge behind which κ's interval lies nothing is left."""
    setting = Setting(**{**ADVISER.defaults, "activation": "tanh", **given})
    found = Found(0.0, 8.0, spans, None, False)
    assert _choice(setting, name, depth, STEEP, found) == (value, fragile)


def test_the_margin_of_a_span() -> None:
    assert Span(1.0, 2.0).inner(0.1) == Span(1.1, 1.9)
    assert Span(0.9, 2.2).inner(0.1, logarithmic=True) == Span(0.9 / 0.9, 2.2 / 1.1)
    assert Span(1.0, 1.1).inner(0.1) is None
    assert Span(1.0, 1.1, open_low=True).inner(0.05) == Span(1.0, 1.1 - 0.05, open_low=True)
