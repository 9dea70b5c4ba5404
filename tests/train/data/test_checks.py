"""Samples and labels: what a classifier can be trained on is taken rightly, the rest is refused for the true reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.theory.errors import InputError
from phasemap.train.data.checks import checked
from phasemap.train.data.samples import Raw
from phasemap.train.data.standardise import check_scale, check_varying, scale_of

RNG = np.random.default_rng(0)
SAMPLES, LABELS = RNG.normal(size=(40, 6)), np.arange(40) % 4


def raw(**changes: Any) -> Raw:
    return Raw("own", SAMPLES, LABELS, SAMPLES[:12], LABELS[:12])._replace(**changes)


def both(x: Any) -> dict[str, Any]:
    return {"x_train": x, "x_test": x[:12]}


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=9, unique=True))
def test_labels_are_counted_and_numbered(labels: list[int]) -> None:
    values = np.array(sorted(labels))
    found, classes, note = checked(raw(y_train=values[np.arange(40) % len(values)], y_test=values[[0] * 12]), "own")
    assert classes == len(labels)
    np.testing.assert_array_equal(found.y_train, np.arange(40) % len(values))
    assert bool(note) == (sorted(labels) != list(range(len(labels))))


@pytest.mark.parametrize("labels", [LABELS > 1, LABELS.astype(np.uint8), LABELS.astype(">i2")])
def test_labels_that_are_classes_stay_as_they_are(labels: np.ndarray) -> None:
    found, classes, note = checked(raw(y_train=labels, y_test=labels[:12]), "own")
    assert found.y_train is labels
    assert (classes, note) == (len(np.unique(labels)), "")


def test_unsigned_labels_beyond_int64() -> None:
    labels = np.array([2**64 - 1, 5], np.uint64)[LABELS % 2]
    found, classes, note = checked(raw(y_train=labels, y_test=LABELS[:12] % 2 + 5), "own")
    assert classes == 3
    assert note == "own: the labels 5, 6, 18446744073709551615 are 3 classes, numbered from 0 in this order"
    np.testing.assert_array_equal(found.y_train[:2], [2, 0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (both(SAMPLES * 1j), "x_train holds complex numbers"),
        (both(SAMPLES.astype("m8[s]")), "x_train holds time differences"),
        (both(SAMPLES.astype("M8[s]")), "x_train holds dates"),
        (both(SAMPLES.astype("U4")), "x_train holds texts"),
        (both(np.zeros(40, [("a", "f4")])), "x_train holds records"),
        ({"x_test": np.where(np.eye(12, 6) > 0, np.inf, 1)}, r"x_test holds inf at \[0, 0\]; expected finite"),
        (both(np.full((40, 6), np.finfo("g").max)), r"x_train holds \S+ at \[0, 0\]"),
        (both(np.zeros((40, 0))), "of at least one number"),
        ({"x_train": np.float64(3)}, "of at least one number"),
        ({"x_train": SAMPLES[:3, :5]}, r"y_train has the shape \(40,\), x_train \(3, 5\)"),
        ({"x_train": SAMPLES[:, :5]}, "differ"),
        ({"y_train": np.eye(4)[LABELS]}, r"y_train has the shape \(40, 4\).* y.argmax\(1\)"),
        ({"y_train": LABELS[:, None]}, r"y_train has the shape \(40, 1\).* y\[:, 0\]"),
        ({"y_train": LABELS / 2}, "y_train holds fractions"),
        ({"y_test": LABELS[:12].astype("U2")}, "y_test holds texts"),
        ({"y_train": LABELS * 0 + 7, "y_test": LABELS[:12] * 0 + 7}, "nothing but 7"),
        (
            {"y_train": np.arange(40) * 1000, "y_test": np.arange(12) * 1000},
            "40 different labels for 40 training samples",
        ),
        ({"x_test": SAMPLES[:2], "y_test": LABELS[:2]}, "x_test holds 2 samples; expected at least 3"),
        (both(np.zeros((40, 3, 8, 8))), r"channels first; .* x.transpose\(0, 2, 3, 1\)"),
        (both(np.zeros((40, 1, 8, 8))), "channels first"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked(raw(**changes), "own")


def test_bools_are_numbers() -> None:
    found, _, _ = checked(raw(**both(SAMPLES > 0)), "own")
    assert found.x_train.dtype == np.uint8
    rows = scale_of(found.x_train, found.x_test).rows(found.x_train)
    assert rows.std() == pytest.approx(1, rel=1e-6)


def test_channels_that_never_change() -> None:
    pictures = RNG.integers(0, 256, (40, 5, 5, 4), dtype=np.uint8)
    check_varying(pictures, "own")
    pictures[..., 3] = 255
    with pytest.raises(InputError, match=r"counted from 0: 3 \(always 255\); .* numpy.delete\(x, \[3\], -1\)"):
        check_varying(pictures, "own")
    with pytest.raises(InputError, match="are all equal"):
        check_varying(pictures * 0, "own")


@pytest.mark.parametrize("factor", [1e200, 1e-200, 1.7e308 / np.abs(SAMPLES).max()])
def test_samples_whose_squares_leave_float64(factor: float) -> None:
    samples = SAMPLES * factor
    with pytest.raises(InputError, match=r"the standard deviation of the training inputs is (inf|nan|0)"):
        check_scale(scale_of(samples, samples), samples, "own")


def test_test_samples_beyond_float32() -> None:
    scale = scale_of(SAMPLES, SAMPLES)
    with pytest.raises(InputError, match=r"x_test has values 1e.100 standard deviations"):
        check_scale(scale, np.where(SAMPLES > 1, 1e100, SAMPLES), "own")
    check_scale(scale, SAMPLES * 1e30, "own")


@pytest.mark.parametrize("kind", ["u1", "i8", "f2", "f4", "f8", "g", ">f4"])
@pytest.mark.parametrize("shape", [(40,), (40, 7), (40, 5, 4), (40, 5, 4, 3), (40, 2, 3, 2, 2)])
def test_standardised_whatever_the_kind_and_shape(kind: str, shape: tuple[int, ...]) -> None:
    x = (20 * RNG.random(shape) * np.arange(1, shape[-1] + 1)).astype(kind)
    rows = scale_of(x, x).rows(x)
    axes = (0, 1, 2) if len(shape) == 4 else None
    plain = x.astype(float)
    expected = (plain - plain.mean(axes)) / plain.std(axes)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, expected.reshape(40, -1), rtol=1e-5, atol=1e-6)
