"""PyTorch Lightning without matplotlib, for processes that train and draw nothing."""

from __future__ import annotations

import importlib
import sys
from typing import Any
from unittest import mock


def import_lightning() -> None:
    """Imports Lightning, and keeps torchmetrics from importing matplotlib with it: that takes time and memory, and
    fails where ``MPLBACKEND`` names what is not there (a notebook's own, for a command started from it).

    In a process that has imported torchmetrics before, nothing is done.
    """
    if "torchmetrics" not in sys.modules:
        from lightning_utilities.core.imports import RequirementCache

        looked_for = RequirementCache._check_requirement

        def look_for(self: Any) -> None:
            looked_for(self)
            if str(self.requirement).startswith("matplotlib"):
                self.available = False

        with mock.patch.object(RequirementCache, "_check_requirement", look_for):
            importlib.import_module("phasemap.train.compat.lightning")
