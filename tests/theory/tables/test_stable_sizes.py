"""The batch sizes at which BSB1 is stable: the sentence agrees with the records on either side of its bound."""

from __future__ import annotations

import re

import pytest

from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.tables.stable_sizes import SIZES, where_stable


@pytest.mark.parametrize(("name", "eps"), [("gelu", 0.001), ("gelu", 0.1), ("silu", 0.01), ("softplus", 0.001)])
def test_the_bound_is_where_the_records_change(name: str, eps: float) -> None:
    phi = activation(name)
    said = where_stable(phi, eps=eps)
    bound = re.search(r"for B ≤ (\d+)$", said)
    if bound is None:
        expected = {"every": True, "no": False}[said.split("for ")[1].split()[0]]
        assert {batchnorm_record(phi, size, eps=eps)["stable"] for size in SIZES} == {expected}
        return
    last = int(bound[1])
    assert batchnorm_record(phi, last, eps=eps)["stable"] is True
    assert batchnorm_record(phi, last + 1, eps=eps)["stable"] is False


def test_where_it_is_always_stable() -> None:
    assert where_stable(activation("tanh")) == f"At ε = 0 it is stable for every B from {SIZES[0]} to {SIZES[-1]}"
