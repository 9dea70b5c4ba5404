"""What the tests of runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sweeps.runs import write_experiment


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAKE_TROUBLE", str(tmp_path / "trouble"))
    return tmp_path / "log"


@pytest.fixture
def six(tmp_path: Path) -> Path:
    return write_experiment(tmp_path / "six.yaml", 6)
