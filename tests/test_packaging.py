"""What is installed: only our rooms, their data files, and what the Dockerfile's steps name."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_wheel_holds_the_rooms_and_their_data(tmp_path: Path) -> None:
    """Built from what git tracks, as on a fresh machine."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True, check=True).stdout
    (tmp_path / "source.tar").write_bytes(archive)
    with tarfile.open(tmp_path / "source.tar") as tar:
        tar.extractall(tmp_path / "source", filter="data")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(tmp_path / "source")],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "phasemap.py", "theory", "models", "train", "sweeps"
    }  # fmt: skip
    for folder in ("sweeps/experiments", "sweeps/report", "sweeps/figures"):
        for path in (tmp_path / "source" / folder).iterdir():
            if path.is_file():
                assert f"{folder}/{path.name}" in names


def test_dockerfile_is_pinned_keyless_and_runs_as_a_user() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^FROM \S+:\d+\.\d+\.\d+\S*$", text, re.MULTILINE)
    assert text.index("COPY pyproject.toml") < text.index("COPY . .")
    assert re.search(r"^USER (?!root)\w+$", text, re.MULTILINE)
    assert 'ENTRYPOINT ["phasemap"]' in text
    assert not re.search(r"^(ARG|ENV) .*KEY", text, re.MULTILINE)


def test_rooms_import_one_way() -> None:
    """sweeps -> train -> models -> theory, and theory without torch."""
    forbidden = {
        "theory": r"torch|pytorch_lightning|models|train|sweeps",
        "models": r"train|sweeps",
        "train": r"sweeps",
    }
    for room, others in forbidden.items():
        for path in (ROOT / room).rglob("*.py"):
            found = re.search(rf"^\s*(from|import) ({others})\b.*", path.read_text(), re.MULTILINE)
            assert found is None, f"{path}: {found and found[0]}"
