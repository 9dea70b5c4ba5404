"""The ranges of parameters: what is within is computed in finite arithmetic, what is beyond is told in a line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import RANGES, Range, brief, check, wrong
from phasemap.theory.residual.record import record
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.widths import parse_widths

CLOSED = ("relu", "leaky-relu", "tanh", "erf", "sin", "identity", "abs")


def within(name: str) -> st.SearchStrategy[float]:
    """Numbers of every size that a parameter may have, its bounds among them."""
    allowed = RANGES[name]
    smallest = max(allowed.smallest, allowed.least, 1e-12)
    sizes = st.floats(math.log(smallest), math.log(allowed.most)).map(math.exp)
    ends = [end for end in (allowed.least, allowed.most, 0.0, 1.0, smallest) if allowed.holds(end)]
    signed = st.tuples(sizes, st.sampled_from([1, -1])).map(lambda pair: pair[0] * pair[1]).filter(allowed.holds)
    return st.sampled_from(ends) | signed


@given(st.sampled_from(CLOSED), st.data())
def test_residual_networks_of_every_size(name: str, data: st.DataObject) -> None:
    """No warning (they are errors here), no NaN in the record, no error but InputError."""
    names = [name for name in RANGES if name[:-1] in ("sigma_", "beta_", "depth_scaling_")]
    given_ = {one: data.draw(within(one), one) for one in data.draw(st.sets(st.sampled_from(names), max_size=4))}
    p0 = data.draw(within("p0"))
    depth = data.draw(st.integers(1, 40))
    trace = residual_recurrence(activation(name), depth, p0=p0, gamma0=p0 / 2, **given_)
    assert len(record(trace)["q"]) == depth + 1


@given(
    st.sampled_from(["relu", "abs", "leaky-relu"]),
    st.integers(3, 1_000_000),
    within("gamma").filter(bool),
    within("sigma_w").filter(bool),
    within("sigma_b"),
    within("slope"),
)
def test_batch_normalised_networks_of_every_size(
    name: str, batch_size: int, gamma: float, sigma_w: float, sigma_b: float, slope: float
) -> None:
    phi = activation(name, scale=gamma, slope=slope)
    try:
        found = batchnorm_record(phi, batch_size, sigma_w=sigma_w, sigma_b=sigma_b)
    except InputError:
        return
    assert found["digits"] >= 0
    assert all(value is None or math.isfinite(value) for value in found["backward"].values())


@pytest.mark.parametrize("name", RANGES)
def test_what_is_beyond_is_told(name: str) -> None:
    allowed = RANGES[name]
    beyond = [allowed.most + max(1, abs(allowed.most)), math.inf, -math.inf, math.nan, 10**400, -(10**5000)]
    for value in (*beyond, np.float64("nan")):
        (line,) = wrong(name, value)
        assert line.startswith(f"{name} ")
        assert "expected" in line
        assert len(line) < 250
    assert wrong(name, allowed.least) == wrong(name, allowed.most) == []
    with pytest.raises(InputError, match=r"^--" + name.replace("_", "-")):
        check(**{name: math.nan})


def test_the_bound_that_is_missed_is_named() -> None:
    allowed = Range(0.0, 5.0, 1e-3)
    assert (allowed.reason(-1), allowed.reason(6)) == ("at least 0", "at most 5")
    assert allowed.reason(1e-5) == "at least 0 and at most 5, and 0 or at least 0.001 in size"
    assert not any(map(allowed.holds, (-1, 6, 1e-5, math.nan)))
    assert all(map(allowed.holds, (0, 1e-3, 5)))


def test_long_values_are_cut() -> None:
    assert brief(10**5000) == "of thousands of digits"
    assert brief("x" * 500).endswith("… (502 characters)")
    assert brief(1e300) == "1e+300"
    (line,) = InputError("x" * 9000 + ": expected less").messages
    assert len(line) < 2000
    assert line.endswith("x: expected less")


@pytest.mark.parametrize(
    "text",
    ["9" * 400, "2048/1e-300@1", "1/0.5@m^2:1-10000", "2048/0.0001@1,2,3", "2048/2@" + "9" * 50, "2000000", "9" * 5000],
)
def test_widths_that_no_network_has(text: str) -> None:
    with pytest.raises(InputError, match=r"^widths") as caught:
        parse_widths(text, 400)
    assert len(str(caught.value)) < 300


def test_a_schedule_of_many_layers_takes_no_time() -> None:
    widths = parse_widths("2048/1e300@m^2:1-999999999", 20_000)
    assert widths.activation[:2] == (2048, 1)
    assert parse_widths("2048/2@16,4,4", 20).activation[3:17:13] == (2048, 256)
