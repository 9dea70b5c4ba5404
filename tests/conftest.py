"""What every test may rely on: no W&B account, no data folder, nothing of the user's environment."""

from __future__ import annotations

import os

import pytest

for name in [name for name in os.environ if name.startswith(("WANDB_", "FAKE_"))]:
    del os.environ[name]
os.environ.pop("PHASEMAP_DATA_DIR", None)


@pytest.fixture(autouse=True)
def _own_working_folder(request: pytest.FixtureRequest) -> None:
    """Tests that take ``tmp_path`` run in it, so that default output folders end up there."""
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(folder)
