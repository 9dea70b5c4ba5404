"""PyTorch Lightning, imported in the one place that first makes it importable beside a CPU-only torch."""

from phasemap.train.compat import torchvision_import as torchvision_ops

torchvision_ops.ensure()

import pytorch_lightning as pl  # noqa: E402
from pytorch_lightning.plugins.environments import LightningEnvironment  # noqa: E402
from pytorch_lightning.plugins.io import TorchCheckpointIO  # noqa: E402

__all__ = ["LightningEnvironment", "TorchCheckpointIO", "pl"]
