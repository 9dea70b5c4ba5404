"""Cells and identity: frozen, equal exactly where the training is the same, wherever a user's file lies."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.train.cells import Cell, cells, identity, same_training
from phasemap.train.parameters import normalise

BASE: dict[str, Any] = {"lr": 0.1, "steps": 10}
CHANGES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"depth": 3},
        {"depth": [3, 4]},
        {"gamma": 2.0},
        {"seed": 1},
        {"tf32": True},
        {"train_size": 100},
        {"metric": "train_loss"},
        {"overlay": "none"},
        {"x_axis": "gamma"},
        {"experiment": "mine"},
    ]
)


@given(CHANGES, CHANGES)
def test_two_trainings_are_the_same_exactly_if_their_identity_is(one: dict[str, Any], other: dict[str, Any]) -> None:
    a, b = (normalise({**BASE, **changes}) for changes in (one, other))
    assert (same_training(a) == same_training(b)) == (identity(a) == identity(b))
    assert (same_training(cells(a)[0]) == same_training(cells(b)[0])) == (
        identity(dict(cells(a)[0])) == identity(dict(cells(b)[0]))
    )


def test_a_file_of_the_users_own_may_have_moved() -> None:
    here, there = (normalise({**BASE, "dataset": f"{folder}/own.npz"}) for folder in ("here", "there"))
    assert same_training(here) != same_training(there)
    assert same_training(here, ("dataset",)) == same_training(there, ("dataset",))


def test_a_cell_is_a_frozen_mapping_of_scalars() -> None:
    one, other = cells(normalise({**BASE, "depth": [3, 4]}))
    assert isinstance(one, Cell)
    assert one == dict(one) != other
    with pytest.raises(FrozenInstanceError):
        one.tile = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        one["depth"] = 5  # type: ignore[index]
