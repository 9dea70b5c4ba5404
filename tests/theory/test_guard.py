"""Code of the user's own: what it raises is a line, and what it prints is not our answer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.guard import MOST, guard, one_line
from phasemap.theory.trust import NotTrusted, reading
from phasemap.theory.user_code import load_user_module


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValueError("two\nlines"), "it failed: ValueError: two lines"),
        (SystemExit("usage"), "it failed: SystemExit: usage"),
        (asyncio.CancelledError(), "it failed: CancelledError"),
        (StopIteration(3), "it failed: StopIteration: 3"),
        (Unspeakable(), "it failed: Unspeakable"),
        (RuntimeError("\x1b[31m"), r"it failed: RuntimeError: \x1b[31m"),
    ],
)
def test_whatever_is_raised_is_a_line(raised: BaseException, told: str) -> None:
    with pytest.raises(InputError) as found, guard("it failed"):
        raise raised
    assert found.value.messages == (told,)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), InputError("ours")])
def test_what_is_not_the_users_goes_through(raised: BaseException) -> None:
    with pytest.raises(type(raised)), guard("it failed"):
        raise raised


def test_a_long_text_is_cut() -> None:
    assert len(one_line("word " * 1000)) == MOST + 1


def test_what_is_printed_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    stdout, arguments = sys.stdout, sys.argv
    with guard("it failed", file="net.py"), guard("within"):
        print("printed")
        sys.stdout.flush()
        os.write(1, b"by the system\n")
        assert sys.argv == ["net.py"]
        sys.stdout.close()
        sys.stdout = None  # type: ignore[assignment]
    print("after")
    assert sys.stdout is stdout
    assert sys.argv is arguments
    assert capfd.readouterr() == ("before\nafter\n", "printed\nby the system\n")


def test_a_warning_is_told_once_as_the_files(capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            with guard("it failed", file="some/test_guard.py"):
                warnings.warn("odd\nthing", stacklevel=1)
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("phasemap: warning: some/test_guard.py, line ")
    assert told[0].endswith(": UserWarning: odd thing")


def test_the_line_of_the_users_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import math\n\nmath.sqrt(-1)\n")
    with pytest.raises(InputError, match=r"loading broken.py failed: ValueError: .* \(broken.py, line 3\)"):
        load_user_module("broken.py:x")


@pytest.mark.parametrize("marked", [True, False])
def test_a_file_of_a_package_with_relative_imports(marked: bool, tmp_path: Path) -> None:
    inner = tmp_path / f"outer{marked}" / "inner"
    inner.mkdir(parents=True)
    if marked:
        for folder in (inner, inner.parent):
            (folder / "__init__.py").touch()
    (inner / "parts.py").write_text("WIDTH = 16\n")
    (inner.parent / "more.py").write_text("DEPTH = 3\n")
    (inner / "net.py").write_text("from ..more import DEPTH\nfrom .parts import WIDTH\n\nSIZE = DEPTH * WIDTH\n")
    module, name = load_user_module(f"{inner / 'net.py'}:SIZE")
    assert getattr(module, name) == 48


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x.py", "a\0b.py", f"{'x' * 5000}.py", "folder.py", "gone.py"])
def test_a_path_that_is_none(path: str, tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(InputError):
        load_user_module(f"{path}:name")


PHI = """
import sys
import numpy as np

def cube(z): return z**3
def cube_derivative(z): return 3 * z**2

def late(z):
    if np.max(z) > 20: sys.exit("too large")
    return z * 1.0
late_derivative = np.ones_like

def inside(z):
    z[z < 0] = 0
    return z
inside_derivative = cube_derivative

def complex(z): return z + 0j
complex_derivative = np.ones_like

def listed(z): return [1.0, 2.0]
listed_derivative = np.ones_like

ufunc = np.tanh
def ufunc_derivative(z, scale=1.0): return 1 - np.tanh(z) ** 2

def warned(z): return np.where(z > 0, z, np.expm1(z) + 0 / (z * 0 + np.exp(900.0 * z)))
kinked, kinked_derivative, kinked_kinks = cube, cube_derivative, "ab"
degree, degree_derivative, degree_degree = cube, cube_derivative, "three"

class Hidden:
    def __call__(self, z): return z
    @property
    def derivative(self): raise SystemExit("none")
hidden = Hidden()
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("inside", "inside(z) fails on an array of numbers: ValueError: assignment destination is read-only"),
        ("complex", "complex(z) returned complex128: expected real numbers"),
        ("listed", "must keep the shape of the array they are given; listed(z) made (2,) of"),
        ("kinked", "kinked_kinks: expected a tuple of finite numbers"),
        ("degree", "degree_degree: expected a finite number"),
        ("hidden", "looking at 'hidden' failed: SystemExit: none (phi.py, line"),
    ],
)
def test_an_activation_that_is_none(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "phi.py").write_text(PHI)
    with pytest.raises(InputError) as found:
        activation(f"phi.py:{name}")
    assert told in found.value.messages[0]


def test_an_activation_that_fails_later_and_one_of_numpys_own(tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "phi.py").write_text(PHI)
    late = activation("phi.py:late")
    with pytest.raises(InputError, match=r"late\(z\) fails on an array of numbers: SystemExit: too large"):
        late.phi(np.array([30.0]))
    given = np.linspace(-1, 1, 5)
    np.testing.assert_array_equal(activation("phi.py:ufunc").phi(given), np.tanh(given))


def test_what_is_read_names_no_code_that_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("theirs", "mine", "known"):
        (tmp_path / f"{name}.py").write_text("x = 1\n")
    load_user_module("known.py:x")
    with reading(own=["mine.py:x"]):
        with pytest.raises(NotTrusted, match="--trust"):
            load_user_module("theirs.py:x")
        load_user_module("mine.py:x")
        load_user_module("known.py:x")  # it has run already
        with reading(trust=True):
            load_user_module("theirs.py:x")
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("phasemap: warning: 'theirs.py:x' is named by what was read, and was not run")


@pytest.mark.slow
def test_json_of_a_command_is_strict_whatever_the_file_prints(tmp_path: Path) -> None:
    (tmp_path / "phi.py").write_text(
        "import atexit, os\nprint('loading')\natexit.register(print, 'bye')\n"
        "def phi(z):\n    print('called'); os.write(1, b'raw')\n    return z**3\n"
        "def phi_derivative(z):\n    return 3 * z**2\n"
    )
    words = ["theory", "batchnorm", "--activation", "phi.py:phi", "--batch-size", "8", "--json"]
    ran = subprocess.run([sys.executable, "-m", "phasemap", *words], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["activation"] == "phi.py:phi"
    assert ran.stderr.startswith("loading\n")
    assert ran.stderr.endswith("bye\n")
