"""What every test may rely on: no W&B account, no data folder, nothing of the user's environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from tests import ROOT

ROOMS = ("theory", "models", "train", "sweeps")
# The shapes that annotations name are checked at every call. Modules without shapes are left to mypy: wrapping each of
# their functions too costs time at import and at every call.
_sources = [file for room in ROOMS for file in (ROOT / room).rglob("*.py") if "from jaxtyping" in file.read_text()]
install_import_hook(
    [".".join(["phasemap", *file.relative_to(ROOT).with_suffix("").parts]) for file in _sources], "beartype.beartype"
)

# The same examples in every run; `--hypothesis-profile search` looks for others.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("seeded")

for name in [name for name in os.environ if name.startswith(("WANDB_", "FAKE_", "PHASEMAP_EXTENSIONS"))]:
    del os.environ[name]
# Nothing of the user's cache, which knows how fast this machine is; nothing is left there either.
_cache = tempfile.TemporaryDirectory(prefix="phasemap-tests-")
os.environ["XDG_CACHE_HOME"] = _cache.name
# No test sees the folder unasked. Workers of pytest-xdist inherit what is left here, so that it goes by another name.
_given = os.environ.pop("PHASEMAP_DATA_DIR", None) or os.environ.get("TESTS_DATA_DIR")
REAL_DATA = Path(_given).resolve() if _given else None
if REAL_DATA:
    os.environ["TESTS_DATA_DIR"] = str(REAL_DATA)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """One torch thread, as in a worker process: what bitwise equality is promised for, and what shares two cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data sets that the tests were started with; without one the test is skipped."""
    if not REAL_DATA:
        pytest.skip("PHASEMAP_DATA_DIR is not set: no real data")
    monkeypatch.setenv("PHASEMAP_DATA_DIR", str(REAL_DATA))
    return REAL_DATA


@pytest.fixture(autouse=True)
def _own_working_folder(request: pytest.FixtureRequest) -> None:
    """Tests that take ``tmp_path`` run in it, so that default output folders end up there."""
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(folder)
