"""A cluster's environment, its commands and its files are none of a training's business, and nobody hears of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from phasemap.train.compat import machine_warnings
from phasemap.train.engine.checkpoint import Stopped
from phasemap.train.tile import train_tile

TILE = {"width": 6, "depth": [2], "batch_size": 16, "train_size": 64, "test_size": 32, "lr": 0.05, "steps": 6}
JOB = {
    "SLURM_JOB_ID": "17",
    "SLURM_JOBID": "17",
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_NNODES": "1",
}
TASK = {
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "3",
    "SLURM_NODEID": "0",
    "SLURM_NODELIST": "n[1-2]",
    "SLURM_JOB_NAME": "x",
}
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "a login node": {},
    "sbatch": JOB,
    "srun": JOB | TASK,
    "an interactive job": JOB | TASK | {"SLURM_JOB_NAME": "bash"},
    "torchrun": {"RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "n1", "MASTER_PORT": "1"},
    "torchelastic": {"TORCHELASTIC_RUN_ID": "1", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "1"},
    "mpirun": {"PMI_RANK": "1", "PMI_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"},
    "LSF": {"LSB_JOBID": "1", "LSB_HOSTS": "a b", "JSM_NAMESPACE_RANK": "1", "JSM_NAMESPACE_SIZE": "2"},
    "Kubeflow": {"KUBERNETES_PORT": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1", "WORLD_SIZE": "2", "RANK": "1"},
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands are on the path, and a checkpoint of Lightning's for a Slurm job is in the current folder."""
    (tmp_path / "bin").mkdir()
    for name in ("srun", "sbatch", "mpirun", "jsrun"):
        stub = tmp_path / "bin" / name
        stub.write_text("#!/bin/sh\nexit 1\n")
        stub.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))
    for name in ("hpc_ckpt_1.ckpt", "hpc_ckpt_2.ckpt"):
        torch.save({"state_dict": {}, "epoch": 1, "global_step": 1}, tmp_path / name)


@pytest.fixture(scope="module")
def undisturbed() -> Any:
    return train_tile(dict(TILE))["content"]


@pytest.mark.parametrize("there", ENVIRONMENTS)
def test_a_tile_is_trained_as_anywhere_else(
    there: str,
    cluster: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    undisturbed: Any,
) -> None:
    for name, value in ENVIRONMENTS[there].items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(Stopped):
            train_tile(dict(TILE), checkpoint=tmp_path / "x.ckpt", stopping=lambda: True)
        assert (tmp_path / "x.ckpt").is_file()
        assert train_tile(dict(TILE), checkpoint=tmp_path / "x.ckpt")["content"] == undisturbed
    assert [str(one.message) for one in heard] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("there", ["a login node", "srun", "torchrun"])
def test_neither_a_user_nor_a_log_hears_of_it(there: str, cluster: None, tmp_path: Path) -> None:
    words = [f"--{name}={json.dumps(value)}" for name, value in TILE.items()]
    experiment = "method: grid\nparameters:\n" + "".join(
        f"  {name}: {{value: {value}}}\n" for name, value in TILE.items()
    )
    (tmp_path / "mine.yaml").write_text(experiment)
    for command in (["train", *words, "--out", "one"], ["run", "mine.yaml", "--out", "map"]):
        ran = subprocess.run(
            [sys.executable, "-m", "phasemap", *command],
            env={**os.environ, **ENVIRONMENTS[there]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert "Warning" not in ran.stderr + ran.stdout
        assert "srun" not in ran.stderr + ran.stdout
    assert [log.read_text() for log in (tmp_path / "map" / "logs").glob("*")] in ([], [""])


def test_other_warnings_are_heard() -> None:
    with machine_warnings.ignored():
        warnings.warn("The `srun` command is available on your system but is not used. HINT: …", stacklevel=1)
        warnings.warn("GPU available but not used. You can set it by …", stacklevel=1)
        with pytest.raises(UserWarning, match="what you ask of the GPU"):
            warnings.warn("what you ask of the GPU is deprecated", stacklevel=1)
