"""What makes a result valid beyond its checksum: the types of its fields, and how they hang together."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.result_laws import check_result
from phasemap.train.documents import DocumentError
from phasemap.train.parameters import normalise
from tests.sweeps.fake_backend import fake_result

TILE = normalise({"depth": [2, 95], "batch_size": 8, "lr": 0.01, "steps": 5})
Change = Callable[[dict[str, Any]], Any]


def content_with(change: Change) -> dict[str, Any]:
    result = copy.deepcopy(fake_result(TILE))
    change(result["content"])
    return result


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.pop("cells"), "content: expected cells"),
        (lambda c: c.update(cells={}), "content.cells: expected a list, got a mapping"),
        (lambda c: c.update(dtype="float16"), "content.dtype: expected a text matching regex"),
        (lambda c: c["cells"].pop(), "cells: 1; its parameters make 2"),
        (lambda c: c["cells"].reverse(), "cells[0].parameters: not those of the tile's cell in this place"),
        (lambda c: c["cells"][1].update(seed=7), "cells[1].seed: 7; expected 0, as its parameters say"),
        (lambda c: c["cells"][1].update(outcome="lost"), "content.cells[1].outcome: invalid enum value 'lost'"),
        (lambda c: c["cells"][0].update(test_accuracy=1.5), "content.cells[0].test_accuracy: expected a number <= 1.0"),
        (
            lambda c: c["cells"][0].update(test_accuracy="0.5"),
            "content.cells[0].test_accuracy: expected a whole number",
        ),
        (
            lambda c: c["cells"][0].update(test_loss=float("inf")),
            "content.cells[0].test_loss: expected a number <= 1.79",
        ),
        (lambda c: c["cells"][0].update(diverged_at=3), "cells[0].diverged_at: 3, of a cell that is finished"),
        (lambda c: c["cells"][1].update(diverged_at=None), "cells[1].diverged_at: None, of a cell that is diverged"),
        (lambda c: c["cells"][1].update(diverged_at=11), "cells[1].diverged_at: 11, beyond its 10 steps"),
        (
            lambda c: c["cells"][0]["history"]["step"].pop(),
            "cells[0].history: lists of lengths 1, 2; expected the same",
        ),
        (
            lambda c: c["cells"][0].update(monitor=monitored(layers=3)),
            "cells[0].monitor.log_weight: expected 2 lists of 3",
        ),
        (lambda c: c["cells"][0].update(later=[[[[[[[[[[]]]]]]]]]]), "later: it is nested too deep"),
        (lambda c: c["data"].update(chance=-0.1), "content.data.chance: expected a number >= 0.0"),
        (lambda c: c["parameters"].update(lr="0.01"), "parameters.lr: '0.01': expected 0.01"),
        (lambda c: c["parameters"].update(lr=None), "parameters.lr: null; expected a number"),
        (lambda c: c["parameters"].update(width=-1), "parameters.width: -1: expected"),
        (lambda c: c["parameters"].update(depth=[[2], 95]), "content.parameters[...][0]: expected"),
        (lambda c: c["parameters"].update(seed=2**63), "content.parameters[...]: expected a whole number <="),
        (lambda c: c["parameters"].pop("batch_size"), "parameters: batch_size: not there"),
        (lambda c: c["parameters"].pop("architecture"), "parameters: architecture: not there"),
        (lambda c: c["parameters"].update(gamma="@nothing"), "parameters.gamma: '@nothing': expected @"),
        (lambda c: c["parameters"].update(architecture="x"), "parameters.architecture: 'x': expected one of"),
    ],
)
def test_what_is_refused(change: Change, reason: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_result(content_with(change))
    assert str(caught.value).startswith(reason)


def monitored(layers: int) -> dict[str, Any]:
    """Records of two layers at two steps that speak of another number of layers."""
    names = ("log_weight", "log_weight_gradient", "log_output_gradient")
    series = {name: [[0.5, None], [1.0, -2.0]] for name in names}
    return {"step": [0, 1], "layer": [str(layer) for layer in range(layers)], **series}


@pytest.mark.parametrize(
    "change",
    [
        lambda c: None,
        lambda c: c["cells"][0].update(monitor=monitored(layers=2)),
        lambda c: c["cells"][0].update(test_accuracy=1, sum_lr=6),  # as JSON of another language spells 1.0
        lambda c: c["cells"][0].update(later={"a": [1]}),
        lambda c: (c["parameters"].update(later="x"), [cell["parameters"].update(later="x") for cell in c["cells"]]),
    ],
)
def test_what_is_valid(change: Change) -> None:
    check_result(content_with(change))


def test_a_sound_checksum_over_something_else_does_not_make_it_a_result(tmp_path: Path) -> None:
    path = tmp_path / f"{'0' * 32}.json"
    store.write(path, content_with(lambda c: c["cells"][0].update(seed="x")))  # type: ignore[arg-type]
    with pytest.raises(
        store.ResultError, match=r"damaged result file .*: content.cells\[0\].seed: expected a whole number"
    ):
        store.read(path, semantics=1)


def test_a_flipped_bit_anywhere_is_seen(tmp_path: Path) -> None:
    path = tmp_path / f"{'0' * 32}.json"
    store.write(path, fake_result(TILE))
    whole = path.read_bytes()
    kept = store.read(path, semantics=1)
    start = whole.index(b'"provenance"')
    for at in [*range(0, start, 41), *range(start, len(whole))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            read = store.read(path, semantics=1)
        except store.ResultError:
            continue
        assert read["content"] == kept["content"]
        seal = whole.index(b'"seal"')
        assert whole[at] in b" \n" or seal <= at < seal + 6, (
            at
        )  # a space, or the name of the checksum of the provenance
