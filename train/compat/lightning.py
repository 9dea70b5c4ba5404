"""PyTorch Lightning, imported in the one place that first makes it importable beside a CPU-only torch, and its Trainer.

The Trainer looks neither at the cluster that it runs on nor at the current folder: by itself it takes a Slurm job for a
distributed training, and loads a file of the current folder that is called like a checkpoint of such a job.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from phasemap.train.compat import machine_warnings
from phasemap.train.compat import torchvision_import as torchvision_ops

if "pytorch_lightning" not in sys.modules:
    torchvision_ops.ensure()

import pytorch_lightning as pl
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.plugins.io import TorchCheckpointIO

__all__ = ["TorchCheckpointIO", "fit", "pl"]


def fit(
    module: pl.LightningModule,
    data: pl.LightningDataModule | Iterable[Tensor | Sequence[Tensor]],
    *,
    device: str,
    callbacks: Sequence[pl.Callback] = (),
    plugins: Sequence[Any] = (),
) -> None:
    """Trains for one epoch in this process on ``device`` (``cpu``, ``cuda:1``), and says nothing.

    Args:
        data: the batches, in a data module or as they are.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    kind, _, index = device.partition(":")
    with machine_warnings.ignored():
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")  # Lightning's own use of torch
        trainer = pl.Trainer(
            accelerator="gpu" if kind == "cuda" else kind,
            devices=[int(index or 0)] if kind == "cuda" else 1,
            max_epochs=1,
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=os.devnull,
            plugins=[LightningEnvironment(), *plugins],
        )
        trainer.fit(module, data)
