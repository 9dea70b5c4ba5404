"""The table of batch norm's theory says what its records say, of every setting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phasemap
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.infinite_batch import limit_record
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError
from phasemap.theory.tables.batchnorm_table import UNITS, batchnorm

SIZES, EPS = (4, 8, 64), (0.0, 0.1)


def test_a_row_for_every_combination_in_order() -> None:
    table = batchnorm(["relu", "tanh"], SIZES, eps=EPS)
    assert list(table["activation"]) == ["relu"] * 6 + ["tanh"] * 6
    assert list(table["batch_size"][:6]) == [4, 4, 8, 8, 64, 64]
    assert list(table["eps"][:4]) == [0.0, 0.1, 0.0, 0.1]


def test_it_says_what_the_records_say() -> None:
    for _, row in batchnorm(["relu", "tanh"], SIZES, eps=EPS).iterrows():
        record: dict[str, Any] = batchnorm_record(activation(row.activation), row.batch_size, eps=row.eps)
        for name in ("q_star", "mu_star", "depth_scale", "rate", "regime", "stable", "digits"):
            assert row[name] == record[name], name
        assert [row[f"backward_{space}"] for space in "GLM"] == list(record["backward"].values())
        assert row["cross_batch_rate"] == record["cross_batch"]["rate"]


def test_the_limit_of_infinite_batches() -> None:
    (row,) = batchnorm("relu", math.inf).to_dict("records")
    assert row["depth_scale"] == limit_record(activation("relu"))["depth_scale"]
    assert row["batch_size"] == math.inf


@settings(max_examples=20)
@given(gamma=st.floats(0.2, 3), beta=st.floats(-1, 1))
def test_objects_and_names_are_the_same(gamma: float, beta: float) -> None:
    named = batchnorm("erf", 8, gamma=gamma, beta=beta)
    bound = batchnorm(activation("erf", scale=gamma, shift=beta), 8)
    assert named["depth_scale"][0] == bound["depth_scale"][0]


@pytest.mark.parametrize("sizes", [[8, 64], (8, 64), np.array([8, 64]), pd.Series([8, 64])])
def test_scalars_and_arrays(sizes: Any) -> None:
    several = phasemap.theory.batchnorm("relu", sizes)
    one = phasemap.theory.batchnorm("relu", 64)
    assert several["depth_scale"][1] == one["depth_scale"][0]


def test_units_are_those_of_its_columns() -> None:
    table = batchnorm()
    assert table.attrs["units"]["depth_scale"] == "layers"
    assert set(UNITS) <= set(table.columns)
    numbers = table.select_dtypes("number").columns.difference(
        ["gamma", "beta", "slope", "alpha", "eps", "sigma_w", "sigma_b"]
    )
    assert set(numbers) <= set(UNITS)


def test_what_does_not_exist_is_missing_and_says_why() -> None:
    (row,) = batchnorm("relu", 3).to_dict("records")
    assert pd.isna(row["backward_G"])
    assert "diverges at batch size 3" in row["reason"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 2}, "two samples"),
        ({"batch_size": 8.5}, "expected an integer"),
        ({"batch_size": []}, "at least one value"),
        ({"batch_size": [[8]]}, "2 dimensions"),
        ({"eps": np.linspace(0, 1, 100), "gamma": np.linspace(1, 2, 2000)}, "200000 settings: expected at most"),
        ({"activation": "rleu"}, "unknown activation"),
        ({"activation": np.tanh}, "expected a name such as 'relu'"),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        batchnorm(**arguments)


def test_gamma_and_beta_of_an_object_come_on_top_of_its_own() -> None:
    twice = batchnorm(activation("erf", scale=2.0), 8, gamma=[1.0, 0.5])
    assert list(twice["depth_scale"]) == list(batchnorm("erf", 8, gamma=[2.0, 1.0])["depth_scale"])
