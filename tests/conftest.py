"""What every test may rely on: no W&B account, no data folder, no cluster, nothing of the user's environment."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import ROOT, shape_checks

ROOMS = ("theory", "models", "train", "sweeps")
# Modules without shapes are left to mypy: wrapping each of their functions costs time at import and at every call.
_sources = [file for room in ROOMS for file in (ROOT / room).rglob("*.py") if "from jaxtyping" in file.read_text()]
shape_checks.install(".".join(["phasemap", *file.relative_to(ROOT).with_suffix("").parts]) for file in _sources)

# The same examples in every run; `--hypothesis-profile search` looks for others.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("seeded")

ACCOUNTS, OURS = ("WANDB_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"), ("FAKE_", "PHASEMAP_EXTENSIONS")
CLUSTERS = ("SLURM", "SBATCH_", "PMI", "OMPI_", "MPI_", "MPICH_", "HYDRA_", "JSM_", "LSB_", "PBS_", "SGE_", "FLUX_")
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_", "CUDA_VISIBLE_DEVICES")
TERMINALS = ("FORCE_COLOR", "NO_COLOR", "CLICOLOR", "COLUMNS", "LINES", "MPLBACKEND", "PYTHONWARNINGS")
FOREIGN = (*ACCOUNTS, *OURS, *CLUSTERS, *RANKS, *TERMINALS)
"""How variables of the environment begin that no test is to see, in capitals or not."""
for name in [name for name in os.environ if name.upper().startswith(FOREIGN)]:
    if not (name == "CUDA_VISIBLE_DEVICES" and "gpu" in sys.argv):  # -m gpu: those that are ours to use
        del os.environ[name]
# Nothing of the user's cache, which knows how fast this machine is; nothing is left there either.
_cache = tempfile.TemporaryDirectory(prefix="phasemap-tests-")
os.environ["XDG_CACHE_HOME"] = _cache.name
# No test sees the folder unasked. Workers of pytest-xdist inherit what is left here, so that it goes by another name.
_given = os.environ.pop("PHASEMAP_DATA_DIR", None) or os.environ.get("TESTS_DATA_DIR")
REAL_DATA = Path(_given).resolve() if _given else None
if REAL_DATA:
    os.environ["TESTS_DATA_DIR"] = str(REAL_DATA)


def pytest_configure(config: pytest.Config) -> None:
    """A warning is an error, but not one of the machine that the tests run on."""
    from phasemap.train.compat import machine_warnings

    for message in machine_warnings.MESSAGES:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


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
def _shapes_are_checked() -> None:
    """Again at the first calls of every function."""
    shape_checks.next_test()


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A test's own folder, whose name has what names of folders may have."""
    own = tmp_path / "mein Gerät"
    own.mkdir()
    return own


@pytest.fixture(autouse=True)
def _own_working_folder(request: pytest.FixtureRequest) -> None:
    """Tests that take ``tmp_path`` run in it, so that default output folders end up there."""
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(folder)
