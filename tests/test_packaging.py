"""What is installed: only our rooms, their data files, and what the Dockerfile's steps name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from tests import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOMS = ("theory", "models", "train", "sweeps")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git tracks, as on a fresh machine; the source lies beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True, check=True).stdout
    (folder / "source.tar").write_bytes(archive)
    with tarfile.open(folder / "source.tar") as tar:
        tar.extractall(folder / "source", filter="data")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(folder / "source")],
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a clean environment with the wheel in it; the dependencies are this one's."""
    environment = tmp_path_factory.mktemp("clean") / "environment"
    venv.create(environment, with_pip=True)
    (there,) = (environment / "lib").glob("python*/site-packages")
    (there / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel], check=True)
    return environment / "bin"


@pytest.mark.slow
def test_the_wheel_holds_the_rooms_and_their_data_under_one_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"phasemap", f"phasemap-{VERSION}.dist-info"}
    for room in ROOMS:
        for path in (wheel.parent / "source" / room).rglob("*"):
            if path.is_file():
                assert f"phasemap/{path.relative_to(wheel.parent / 'source')}" in names


@pytest.mark.slow
def test_an_installation_works_beside_a_users_own_modules(installed: Path, tmp_path: Path) -> None:
    """A map is trained and drawn, a network probed and the callback imported, beside files called as our rooms are."""
    for name in ("train.py", "theory.py", "sweeps.py"):
        (tmp_path / name).write_text("raise SystemExit('this is not the module you look for')\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").touch()
    (tmp_path / "models" / "mynet.py").write_text(
        "from torch import nn\n\ndef Net():\n    return nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))\n"
    )
    (tmp_path / "net.py").write_text("from models.mynet import Net\n\ndef make():\n    return Net()\n")
    environment = {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}

    def called(*words: str) -> str:
        ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    where = called("python", "-c", "import phasemap.theory.errors as e; print(e.__file__)")
    assert Path(where.strip()).is_relative_to(installed.parent)
    small = ["--set", "steps=3", "--set", "batch_size=[8, 16]", "--set", "depth=[2, 4]", "--set", "seed=0"]
    report = called(
        "phasemap", "run", "bn-fig3a", "--preset", "smoke", *small, "--workers", "2", "--out", "map", "--quiet"
    )
    assert "<title>bn-fig3a" in (tmp_path / report.strip()).read_text()
    assert "parameters)" in called("phasemap", "probe", "net.py:make", "--input", "6", "--batch-size", "8")
    callback = "from phasemap.train.monitors.signal_monitor import SignalPropagationMonitor as m; print(m.__name__)"
    assert called("python", "-c", callback).strip() == "SignalPropagationMonitor"


@pytest.mark.slow
def test_an_editable_installation_is_seen_by_type_checkers(tmp_path: Path) -> None:
    """``src`` is on the path of an editable installation, and so are types: another project's mypy finds ours."""
    (tmp_path / "theirs.py").write_text(
        "from phasemap.theory.batchnorm.gradient_explosion import DepthScale\n\nreveal_type(DepthScale.of(1.2).xi)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", "theirs.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Revealed type is "float"' in ran.stdout.replace("builtins.", ""), ran.stdout


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, as (word, rest)."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest) for line in text.splitlines() if line.strip() for word, _, rest in [line.partition(" ")]]


def test_dockerfile_is_pinned_keyless_and_runs_as_a_user() -> None:
    steps = instructions()
    words = [word for word, _ in steps]
    assert words.count("FROM") == 1
    assert re.fullmatch(r"\S+/\S+:\d+\.\d+\.\d+-cuda\d+\.\d+-cudnn\d+-runtime", dict(steps)["FROM"])
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", dict(steps)["USER"])  # a number is seen not to be root
    assert words.index("USER") > max(place for place, word in enumerate(words) if word in ("RUN", "COPY"))
    assert json.loads(dict(steps)["ENTRYPOINT"]) == ["phasemap"]
    assert not {"ARG", "ENV", "ADD"} & set(words)  # nothing that could bake a key in


def test_dockerfile_copies_the_dependencies_first_and_nothing_but_the_project() -> None:
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY"]
    assert copied[0] == ["pyproject.toml"]
    files = {"pyproject.toml", "README.md", "LICENSE", "src", *ROOMS}
    assert sorted(chain.from_iterable(copied)) == sorted(files)


def in_the_context(names: Iterable[str]) -> set[str]:
    """What Docker's builder sees: of the patterns that match a file or a folder above it the last counts."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    patterns = []
    for line in lines:
        pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        patterns.append((line.startswith("!"), re.compile(rf"{pattern}(?:/.*)?")))
    return {name for name in names if [kept for kept, pattern in patterns if pattern.fullmatch(name)][-1]}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_the_context_of_the_image_holds_the_rooms_and_nothing_else() -> None:
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    rooms = {name for name in tracked.splitlines() if name.split("/")[0] in ("src", *ROOMS)}
    assert in_the_context(tracked.splitlines()) == {*rooms, "pyproject.toml", "README.md", "LICENSE"}
    folders = ("", "sweeps/", "train/data/", "src/phasemap/", "sweeps/report/")
    foreign = [
        ".env",
        ".env.py",
        ".git/config",
        ".git/hooks/a.py",
        ".netrc",
        ".aws/credentials",
        "id_rsa",
        "key.pem",
        "runs/x.json",
        "mnist.npz",
        "wandb/run.log",
        "a.ipynb",
        ".ipynb_checkpoints/a.py",
        "__pycache__/a.py",
        "x.egg-info/a.py",
        "tile.ckpt",
    ]
    assert in_the_context(folder + name for folder in folders for name in foreign) == set()


@pytest.mark.slow
def test_dockerfiles_install_steps(tmp_path: Path) -> None:
    """Copied and run as the image's builder would, in an environment in which the dependencies are there already, as
    torch is in the image; then the entry point, as the image's user would call it, from another folder."""
    source, environment = tmp_path / "opt", tmp_path / "environment"
    source.mkdir()
    venv.create(environment, with_pip=True)
    (there,) = (environment / "lib").glob("python*/site-packages")
    (there / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ran = []
    for word, rest in instructions():
        if word == "COPY":
            *names, _ = rest.split()
            for name in names:
                if (ROOT / name).is_dir():
                    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
                    shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
                else:
                    shutil.copy(ROOT / name, source / name)
        elif word == "RUN" and " pip " in rest:
            subprocess.run(["sh", "-ec", rest], cwd=source, check=True, env={**os.environ, "PATH": path})
            ran.append(rest)
    assert len(ran) == 2
    help_text = subprocess.run(
        ["phasemap", "--help"], cwd=tmp_path, check=True, capture_output=True, text=True, env={"PATH": path}
    ).stdout
    assert "Trainability phase maps" in help_text
    where = subprocess.run(
        ["python", "-c", "import phasemap.sweeps as s; print(s.__file__)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": path},
    ).stdout
    assert where.startswith(str(environment))
    listed = subprocess.run(
        ["phasemap", "run", "bn-fig3a", "--preset", "smoke", "--check", "--devices", "cpu"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": path, "HOME": str(tmp_path)},
    ).stdout
    assert "cells:  72" in listed


def test_shapes_are_written_with_numpys_class() -> None:
    """From NumPy 2.5 on, ``NDArray[…]`` is an alias that jaxtyping does not take."""
    for path in chain.from_iterable((ROOT / room).rglob("*.py") for room in ROOMS):
        found = re.search(r"\b(Float|U?Int|Bool|Complex|Num|Real|Shaped)\d*\[(NDArray|Array)\b.*", path.read_text())
        assert found is None, f"{path}: {found and found[0]}"
