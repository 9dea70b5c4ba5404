"""What a probed network is fed: samples as they are stored, or a sentence that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from phasemap.sweeps.probing.inputs import given_inputs, made_inputs, parse_shape, random_inputs
from phasemap.sweeps.probing.model import load_model
from phasemap.theory.errors import InputError

PICTURES = np.random.default_rng(0).normal(size=(20, 5, 4, 3)).astype(np.float32)


def fed(tmp_path: Path, size: tuple[int, ...] | None = None, **arrays: Any) -> torch.Tensor:
    np.savez(tmp_path / "x.npz", **arrays)
    found = given_inputs(tmp_path / "x.npz", size, 8, 0)
    assert found.words == f"x.npz:{next(iter(arrays))}"
    return found.batch


def test_samples_keep_their_values_and_shape(tmp_path: Path) -> None:
    chosen = np.random.default_rng(0).choice(20, 8, replace=False)
    np.testing.assert_array_equal(fed(tmp_path, x_train=PICTURES).numpy(), PICTURES[chosen])
    np.testing.assert_array_equal(fed(tmp_path, (5, 4, 3), only=PICTURES).numpy(), PICTURES[chosen])
    assert fed(tmp_path, x=PICTURES > 0).unique().tolist() == [0, 1]
    rows = fed(tmp_path, (3, 5, 4), x=PICTURES.reshape(20, -1))
    np.testing.assert_array_equal(rows.numpy().reshape(8, -1), PICTURES[chosen].reshape(8, -1))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((3, 5, 4), r"channels come last: write x.transpose\(0, 3, 1, 2\)"),
        ((5, 12), r"samples of shape \(5, 4, 3\) do not fit --input \(5, 12\)$"),
        ((60,), r"do not fit --input \(60,\)$"),
        ((7,), "do not fit"),
    ],
)
def test_nothing_is_reshaped_silently(tmp_path: Path, size: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fed(tmp_path, size, x=PICTURES)
    with pytest.raises(InputError, match=r"write x.transpose\(0, 2, 3, 1\)"):
        fed(tmp_path, (5, 4, 3), x=PICTURES.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": PICTURES * 1j}, "x holds complex numbers"),
        ({"x": np.full((20, 3), np.nan)}, r"x holds nan at \[0, 0\]"),
        ({"x": np.array(["a"] * 20)}, "x holds texts"),
        ({"x": np.zeros(20, "M8[s]")}, "x holds dates"),
        ({"x": np.array([{}] * 20)}, "Python objects"),
        ({"x": 3.0}, "holds 0 samples"),
        ({"x": PICTURES[:3]}, "holds 3 samples, fewer than --batch-size 8"),
        ({"x": np.zeros((20, 0))}, "at least a number"),
        ({"images": PICTURES, "labels": np.zeros(20)}, "found images, labels"),
        ({}, "found none"),
    ],
)
def test_each_condition_has_its_sentence(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=words):
        given_inputs(tmp_path / "x.npz", None, 8, 0)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.npz").touch()
    with pytest.raises(InputError, match=r"--samples .+x.npz: cannot be read as .npz: the file is empty"):
        given_inputs(tmp_path / "x.npz", None, 8, 0)


def test_shapes_of_a_sample() -> None:
    assert parse_shape("3, 32,32") == (3, 32, 32)
    for text in ("", "3,", "3,-1", "0", "1.5", "x", "9" * 5000, ",".join("1" * 40)):
        with pytest.raises(InputError, match="expected the shape of one sample"):
            parse_shape(text)


def test_more_numbers_than_a_batch_may_have() -> None:
    with pytest.raises(InputError, match=r"--batch-size 1000000: .* 3072000000 numbers; expected at most 67108864"):
        random_inputs((3, 32, 32), 1_000_000, 0)
    assert random_inputs((3, 32), 4, 0).batch.shape == (4, 3, 32)


CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(3, 4)
    def forward(self, x, y=None):
        return self.a(x) if y is None else self.a(x) + self.b(y)

class Dictionary(Net):
    def forward(self, batch):
        return super().forward(**batch)

x, y = torch.randn(6, 4), torch.randn(6, 3)
def tensor(): return x
def pair(): return x, y
def named(): return {"x": x, "y": y}
def wrapped(): return ({"x": x, "y": y},)
def number(): return 3
def nothing(): return {}
def fails(): raise SystemExit(3)
def draws(): return torch.randn(6, 4)
"""


@pytest.mark.parametrize(
    ("net", "name", "call"),
    [
        ("Net", "tensor", (1, [])),
        ("Net", "x", (1, [])),
        ("Net", "pair", (2, [])),
        ("Net", "named", (0, ["x", "y"])),
        ("Dictionary", "named", (1, [])),
        ("Dictionary", "wrapped", (1, [])),
        ("Net", "draws", (1, [])),
    ],
)
def test_what_a_users_function_makes(net: str, name: str, call: tuple[int, list[str]], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(CODE)
    model = load_model(f"{tmp_path}/own.py:{net}", 0)
    fed = made_inputs(f"{tmp_path}/own.py:{name}", model, 0)
    assert (len(fed.arguments), sorted(fed.keywords)) == call
    model(*fed.to(torch.device("cpu")).arguments, **fed.keywords)
    again = made_inputs(f"{tmp_path}/own.py:{name}", model, 0)
    assert torch.equal(fed.batch, again.batch)  # the seed draws it


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("number", r"number gives no tensor \(int\): expected a tensor, a tuple of arguments or a mapping"),
        ("nothing", r"nothing gives no tensor \(dict\): expected a tensor"),
        ("fails", r"fails\(\) failed: it ended with sys.exit|fails\(\) failed: .*SystemExit"),
        ("absent", "has no 'absent'"),
    ],
)
def test_what_makes_no_inputs_is_told(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(CODE)
    model = load_model(f"{tmp_path}/own.py:Net", 0)
    with pytest.raises(InputError, match=words):
        made_inputs(f"{tmp_path}/own.py:{name}", model, 0)
