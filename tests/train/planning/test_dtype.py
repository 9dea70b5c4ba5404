"""The dtype rule: float64 where gradients leave float32 by the theory and the device is fast in it; overridable."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.fixed_point import critical_eps
from phasemap.theory.batchnorm.gradient_explosion import gradient_explosion_rate
from phasemap.theory.batchnorm.setting import Setting
from phasemap.train.families.catalogue import DEFAULT, family
from phasemap.train.parameters import normalise
from phasemap.train.planning.dtype import FLOAT32_SPAN, resolve_dtype
from phasemap.train.tile import train_tile

BASE: dict[str, Any] = {"lr": 0.01, "steps": 1, "batch_size": 8, "width": 4}
RATE = math.log(gradient_explosion_rate(activation("relu"), 8, eps=1e-3) or math.nan)
DEEPEST = int(FLOAT32_SPAN / RATE)
"""The last depth at which float32 will do."""


def test_the_limit_is_eighty_over_the_logarithm_of_the_rate() -> None:
    assert 100 < DEEPEST < 200  # measured: the gradients' norm overflows at about 148
    for depth, dtype in ((DEEPEST, "float32"), (DEEPEST + 1, "float64"), ([3, DEEPEST + 1], "float64")):
        assert resolve_dtype(normalise({**BASE, "depth": depth})) == dtype
    assert family(DEFAULT).log_explosion(normalise({**BASE, "depth": 10})) == pytest.approx(10 * RATE)


def test_every_stacked_setting_counts_and_vanishing_is_as_bad_as_explosion() -> None:
    mild = {**BASE, "depth": 80, "activation": "tanh", "eps": 1.0}
    assert resolve_dtype(normalise(mild)) == "float32"
    assert resolve_dtype(normalise({**mild, "eps": [1.0, 5.0]})) == "float64"  # λ_G = 1/5: 80·ln 5 = 129
    assert resolve_dtype(normalise({**mild, "gamma": [0.1, 4.0], "eps": 1e-3})) == "float64"  # 80·1.09 = 87
    assert resolve_dtype(normalise({"architecture": "resnet", "depth": 400, "lr": 0.1, "steps": 1})) == "float32"


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((8, 0), "float64"), ((9, 0), "float64"), ((10, 0), "float64")]
    + [(slow, "float32") for slow in ((7, 5), (8, 6), (8, 9), (10, 3), (12, 0))],
)
def test_a_gpu_that_is_slow_in_float64_stays_in_float32(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    deep = {**BASE, "depth": DEEPEST + 1}
    assert resolve_dtype(normalise(deep), "cuda:0") == dtype
    assert resolve_dtype(normalise({**deep, "dtype": "float64"}), "cuda:0") == "float64"


@pytest.mark.parametrize("asked", ["auto", "float32"])
def test_the_result_says_which_it_was_and_which_cells_it_is_too_small_for(asked: str) -> None:
    small = {**BASE, "depth": [3, DEEPEST + 1], "train_size": 8, "test_size": 8}
    content = train_tile({**small, "dtype": asked})["content"]
    assert content["dtype"] == {"auto": "float64"}.get(asked, asked)
    assert [cell["exceeds_float32"] for cell in content["cells"]] == [False, True]


@pytest.mark.slow
@settings(max_examples=40)
@given(
    name=st.sampled_from([("relu", 0.01), ("leaky-relu", 0.3), ("abs", 0.01), ("identity", 0.01)]),
    batch_size=st.sampled_from([3, 4, 5, 7, 12, 40, 200]),
    gamma=st.sampled_from([0.2, 0.7, 1.0, 1.6, 3.0]),
    share=st.sampled_from([0.0, 1e-5, 1e-3, 0.1, 0.5, 0.9, 0.99, 1.01, 2.0]),
    sigma_w=st.sampled_from([0.5, 1.0, 1.5]),
)
def test_the_bound_is_one(name: tuple[str, float], batch_size: int, gamma: float, share: float, sigma_w: float) -> None:
    """Whatever ε is, also about its critical value, of which it is a ``share``."""
    network = {"activation": name[0], "slope": name[1], "gamma": gamma, "sigma_w": sigma_w}
    cell = normalise({**BASE, **network, "batch_size": batch_size, "depth": 10})
    setting = Setting.of(cell)
    critical = critical_eps(setting.phi, batch_size, sigma_w)
    cell["eps"] = share * critical if math.isfinite(critical) else share
    one = family(DEFAULT)
    assert one.log_explosion_bound(cell) >= one.log_explosion(cell) * (1 - 1e-9)
