"""Where a step's time goes: every operation counts once, for what it is part of."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.bench import profile
from sweeps.bench.profile import KINDS, LAYER, PRODUCTS, REST, UPDATE, kind_of, shares

TINY: dict[str, Any] = {"width": 16, "batch_size": 32, "lr": 0.01, "depth": [3, 9], "seed": [0, 5]}
WANTED = {
    "aten::bmm": PRODUCTS,  # also where it is part of a layer
    "aten::baddbmm": PRODUCTS,
    "aten::relu_": LAYER,
    "aten::threshold_backward": LAYER,
    "aten::rsqrt_": LAYER,
    "aten::_foreach_addcmul_": UPDATE,
    "aten::nll_loss2d_forward": REST,
    "aten::lerp_": REST,  # of the running statistics
}


def test_every_operation_counts_for_what_it_is_part_of() -> None:
    step, _ = profile._step(TINY, "cpu", 64, 10)
    step()
    found: dict[str, set[str]] = {}
    for event in profile.events(step, 1, on_gpu=False):
        found.setdefault(event.name, set()).add(kind_of(event))
    assert {name: found.get(name) for name in WANTED} == {name: {kind} for name, kind in WANTED.items()}


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "rmsprop"}, {"architecture": "resnet", "widths": "16"}], ids=str
)
def test_shares_are_of_the_whole(settings: dict[str, Any]) -> None:
    tile = {name: value for name, value in {**TINY, **settings}.items() if name != "width" or "widths" not in settings}
    found = shares(tile, "cpu", inputs=64, classes=10)
    assert found["members"] == 4
    assert found["seconds_per_step"] > 0
    assert found["shares"].keys() == set(KINDS)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert (found["shares"][LAYER] == 0) == ("architecture" in settings)
    assert min(found["shares"][kind] for kind in (PRODUCTS, UPDATE, REST)) > 0
