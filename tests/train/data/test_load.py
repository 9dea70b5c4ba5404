"""Data sets: standardised, subset by one fixed permutation, and clear about what is wrong with them."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phasemap.theory.errors import InputError
from phasemap.train.compat import torchvision_import as torchvision_ops
from phasemap.train.data.load import load, survey
from phasemap.train.data.vision import load_mnist


def settings(dataset: object, **more: Any) -> dict[str, Any]:
    return {"dataset": str(dataset), "train_size": None, "test_size": None, "batch_size": 8, **more}


def write_npz(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.normal(3, 5, (40, 4)),
        "y_train": np.arange(40) % 4,
        "x_test": rng.normal(3, 5, (12, 4)),
        "y_test": np.array([0] * 6 + [1, 1, 2, 2, 3, 3]),
    }
    arrays.update(changes)
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_digits_are_embedded_and_standardised() -> None:
    data = load(settings("digits"))
    assert (len(data.x_train), len(data.x_test), data.classes, data.shape) == (1397, 400, 10, (8, 8))
    assert data.x_train.mean(dtype=float) == pytest.approx(0, abs=1e-6)
    assert data.x_train.std(dtype=float) == pytest.approx(1, rel=1e-6)
    assert data.chance == max(np.bincount(data.y_test)) / 400


def test_second_moments_are_averages_over_samples_and_pairs() -> None:
    data = load(settings("digits", train_size=30))
    x = data.x_train.astype(float)
    gram = x @ x.T / 64
    p0, gamma0 = data.second_moments()
    assert p0 == pytest.approx(np.trace(gram) / 30, rel=1e-6)
    assert gamma0 == pytest.approx((gram.sum() - np.trace(gram)) / (30 * 29), rel=1e-5)


def test_subset_is_fixed_and_part_of_the_whole() -> None:
    few, more = load(settings("digits", train_size=100)), load(settings("digits", train_size=200))
    np.testing.assert_array_equal(few.y_train, more.y_train[:100])
    assert few.digest != more.digest
    assert few.digest == survey(settings("digits", train_size=100)).digest
    tiny = load(settings("digits", train_size=9, test_size=2))
    assert len({*tiny.y_train, *tiny.y_test}) < tiny.classes == 10


def test_npz(tmp_path: Path) -> None:
    data = load(settings(write_npz(tmp_path / "own.npz")))
    assert (data.name, data.classes, data.chance) == ("own", 4, 0.5)


def test_colour_pictures_are_standardised_by_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = (rng.random((50, 4, 4, 3)) * [10, 100, 255]).astype(np.uint8)
    data = load(
        settings(write_npz(tmp_path / "rgb.npz", x_train=pictures, y_train=np.arange(50) % 4, x_test=pictures[:12]))
    )
    by_channel = data.x_train.reshape(50, 16, 3)
    np.testing.assert_allclose(by_channel.mean((0, 1), dtype=float), 0, atol=1e-6)
    np.testing.assert_allclose(by_channel.std((0, 1), dtype=float), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": None}, "has no y_test"),
        ({"y_train": np.arange(39)}, "y_train"),
        ({"y_train": np.linspace(0, 1, 40)}, "y_train"),
        ({"x_train": np.full((40, 4), np.nan)}, "finite"),
        ({"x_train": np.ones((40, 4))}, "all equal"),
        ({"x_test": np.ones((12, 5))}, "differ"),
        ({"x_train": np.array([{}] * 40)}, "cannot be read"),
    ],
)
def test_bad_npz(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = write_npz(tmp_path / "bad.npz", **changes)
    with pytest.raises(InputError, match=words):
        load(settings(path))


def test_other_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load(settings(tmp_path / "none.npz"))
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(InputError, match="cannot be read"):
        load(settings(tmp_path / "torn.npz"))
    with pytest.raises(InputError, match="batch_size: 2000 is larger than the training set"):
        load(settings("digits", batch_size=2000))
    with pytest.raises(InputError, match="train_size: 5000 is more"):
        load(settings("digits", train_size=5000))
    monkeypatch.setenv("PHASEMAP_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"PHASEMAP_DATA_DIR .* no such folder"):
        load(settings("mnist"))
    monkeypatch.setenv("PHASEMAP_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match="CIFAR-10 cannot be had in"):
        load(settings("cifar10"))


def write_mnist(root: Path, *, train: int = 30, labels: int = 30) -> Path:
    """Few pictures in MNIST's four files; the folder of the files."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pictures = np.random.default_rng(0).integers(0, 256, (train, 28, 28), dtype=np.uint8)
    for part, count, labelled in (("train", train, labels), ("t10k", 10, 10)):
        header = struct.pack(">4i", 0x803, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pictures[:count].tobytes())
        answers = struct.pack(">2i", 0x801, labelled) + bytes(i % 10 for i in range(labelled))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(answers)
    return raw


def test_mnist_as_torchvision_reads_it(tmp_path: Path) -> None:
    torchvision_ops.ensure()
    from torchvision import datasets

    write_mnist(tmp_path)
    title, *arrays = load_mnist(tmp_path)
    assert title == "MNIST"
    expected = [datasets.MNIST(str(tmp_path), train=train) for train in (True, False)]
    for array, tensor in zip(arrays, [t for part in expected for t in (part.data, part.targets)], strict=True):
        np.testing.assert_array_equal(array, tensor.numpy(), strict=True)


def test_mnist_packed_is_mnist_and_nothing_is_written(tmp_path: Path) -> None:
    raw = write_mnist(tmp_path)
    plain = load(settings("mnist"), tmp_path)
    for file in list(raw.iterdir()):
        (raw / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert load(settings("mnist"), tmp_path).digest == plain.digest
    assert {file.suffix for file in raw.iterdir()} == {".gz"}


def test_a_survey_of_mnist_needs_no_torch(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    code = (
        "import sys; from pathlib import Path; from phasemap.train.data.load import survey;"
        f"survey({settings('mnist')!r}, Path({str(tmp_path)!r}));"
        "assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x0d\3" + bytes(12), "not an IDX file"),
        (b"\0\0\x08", "index out of range"),
        (b"\0\0\x08\3\0", "requires a buffer"),
        (struct.pack(">4i", 0x803, 30, 28, 28) + bytes(100), "says that 23520 bytes follow, and 100 do"),
        (struct.pack(">3i", 0x802, 30, 784) + bytes(30 * 784), r"shape \(30, 784\), its labels \(30,\); expected"),
        (struct.pack(">4I", 0x803, 2**32 - 1, 28, 28) + bytes(30 * 784), "more than MNIST has"),
    ],
)
def test_damaged_mnist(tmp_path: Path, content: bytes, words: str) -> None:
    raw = write_mnist(tmp_path)
    (raw / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(InputError, match=f"train-images-idx3-ubyte: .*{words}"):
        load(settings("mnist"), tmp_path)


def test_torn_packed_mnist(tmp_path: Path) -> None:
    raw = write_mnist(tmp_path)
    plain = raw / "t10k-labels-idx1-ubyte"
    packed = gzip.compress(plain.read_bytes())
    plain.unlink()
    for torn in (packed[:-9], packed[:10] + b"\xff" * 20, b"not gzip"):
        (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(torn)
        with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte\.gz: cannot be read as MNIST"):
            load(settings("mnist"), tmp_path)


def test_mnist_with_too_few_labels(tmp_path: Path) -> None:
    raw = write_mnist(tmp_path, labels=29)
    with pytest.raises(InputError, match=r"its labels \(29,\); expected"):
        load(settings("mnist"), tmp_path)
    for header in (struct.pack(">I", 0x800) + b"\1", struct.pack(">3I", 0x802, 30, 1) + bytes(30)):
        (raw / "train-labels-idx1-ubyte").write_bytes(header)
        with pytest.raises(InputError, match=r"its labels \((30, 1)?\); expected"):
            load(settings("mnist"), tmp_path)


def test_mnist_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_ops.ensure()
    from torchvision.datasets import MNIST

    asked: list[Path] = []

    def download(part: MNIST) -> None:
        asked.append(Path(part.root))
        if len(asked) == 1:
            write_mnist(Path(part.root))

    monkeypatch.setattr(MNIST, "download", download)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PHASEMAP_DATA_DIR", raising=False)
    first = load(settings("mnist"))
    assert asked == [tmp_path / "phasemap"] * 2  # the training and the test set
    assert load(settings("mnist")).digest == first.digest
    assert len(asked) == 2


def test_mnist_that_lacks_a_file(tmp_path: Path) -> None:
    (write_mnist(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="MNIST cannot be had in"):
        load(settings("mnist"), tmp_path)


def test_real_mnist_with_only_its_gz_files(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = load(settings("mnist"))
    assert (len(data.x_train), len(data.x_test), data.chance) == (60000, 10000, 0.1135)
