"""The depth scale and the record of one batch size: published anchors, refusals, strict JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale, depth_scales, gradient_explosion_rate
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError


def arc_cosine(c: float) -> float:
    """J_1, written out as in Thm 3.5."""
    return (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / math.pi


def published_relu_rate(b: int) -> float:
    """Thm 3.10 as printed."""
    c = -1 / (b - 1)
    slope = (math.pi - math.acos(c)) / math.pi
    return ((b - 1 + slope) / (1 - arc_cosine(c)) - 1) / (b - 3)


@pytest.mark.parametrize("batch_size", [4, 5, 8, 64, 512, 4096])
def test_relu_rate_is_the_published_closed_form(batch_size: int) -> None:
    assert gradient_explosion_rate(activation("relu"), batch_size) == pytest.approx(
        published_relu_rate(batch_size), rel=1e-12
    )


@pytest.mark.parametrize("batch_size", [4, 5, 8, 64, 512, 4096])
def test_identity_rate_is_the_published_closed_form(batch_size: int) -> None:
    scale = depth_scale(activation("identity"), batch_size)
    assert scale.rate == pytest.approx((batch_size - 2) / (batch_size - 3), rel=1e-15)
    assert scale.xi == pytest.approx(1 / math.log1p(1 / (batch_size - 3)), rel=1e-12)
    assert scale.regime == "exploding"


def test_relu_limits_of_large_batches() -> None:
    record = batchnorm_record(activation("relu"), 4096)
    assert record["backward"]["G"] == pytest.approx(math.pi / (math.pi - 1), abs=1e-3)
    assert record["forward"]["M"] == pytest.approx(math.pi / (2 * (math.pi - 1)), abs=1e-3)
    assert record["q_star"] == pytest.approx(0.5, rel=1e-13)
    assert record["c_star"] == pytest.approx(arc_cosine(-1 / 4095), rel=1e-12)


def test_many_batch_sizes_at_once() -> None:
    sizes = np.arange(4, 1004)
    xi = depth_scales(activation("relu"), sizes)
    assert xi[60] == depth_scale(activation("relu"), 64).xi
    assert np.all(np.diff(xi) > 0)


@pytest.mark.parametrize(("batch_size", "reason"), [(1, "not defined"), (2, "gradient is 0"), (0, "at least 3")])
def test_batch_sizes_without_a_theory_are_refused(batch_size: int, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        depth_scale(activation("relu"), batch_size)


def test_what_does_not_exist_is_null_with_a_reason() -> None:
    record = batchnorm_record(activation("tanh"), 3)
    assert record["backward"]["G"] is None
    assert record["depth_scale"] is None
    assert record["forward"]["M"] is None
    assert set(record["reasons"]) >= {"backward.G", "depth_scale", "forward.M"}
    constant = batchnorm_record(activation("relu", shift=-100.0), 16)
    assert constant["mu_star"] is None
    assert "constant" in constant["reasons"]["mu_star"]


@pytest.mark.parametrize("eps", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", ["relu", "tanh", "identity", "alpha-relu"])
def test_the_record_is_strict_json(name: str, eps: float) -> None:
    record = batchnorm_record(activation(name, alpha=0.4), 16, eps=eps)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
