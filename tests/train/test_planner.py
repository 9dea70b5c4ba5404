"""Chunks: every cell once, within the memory, and only cells that fit in one stack together."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from train.parameters import cells, normalise
from train.planner import activation_bytes, chunks


def points(**parameters: Any) -> list[dict[str, Any]]:
    return cells(normalise({"lr": 0.1, "steps": 1, **parameters}))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12, unique=True), st.integers(10**5, 10**8))
def test_every_cell_once_within_the_budget(depths: list[int], budget: int) -> None:
    network = points(depth=depths, seed=[0, 1])
    planned = chunks(network, inputs=64, budget=budget)
    assert sorted(place for chunk in planned for place in chunk) == list(range(len(network)))
    for chunk in planned:
        assert len(chunk) == 1 or sum(activation_bytes(network[i], 64) for i in chunk) <= budget
        chunk_depths = [network[i]["depth"] for i in chunk]
        assert chunk_depths == sorted(chunk_depths, reverse=True)


def test_residual_networks_of_other_widths_stand_apart() -> None:
    network = points(architecture="resnet", depth=[3, 20], widths=["64", "64/2@2,9"])
    assert sorted(sorted(chunk) for chunk in chunks(network, inputs=64)) == [[0, 2], [1], [3]]
