"""PyTorch Lightning without the packages that training has no use for, and that take longer to import than itself."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any
from unittest import mock

NOT_NEEDED = ("matplotlib", "scipy", "torchvision")
"""What torchmetrics imports if it is installed. matplotlib even fails where ``MPLBACKEND`` names what is not there (a
notebook's own, for a command started from it)."""


def import_lightning() -> None:
    """Imports Lightning without `NOT_NEEDED`, in a process that trains and does nothing else.

    In a process that has imported torchmetrics before, nothing is left out.
    """
    if "torchmetrics" not in sys.modules:
        from lightning_utilities.core import imports

        looked_for, is_there = imports.RequirementCache._check_requirement, imports.package_available

        def look_for(self: Any) -> None:
            looked_for(self)
            if re.split(r"[^\w-]", str(self.requirement))[0] in NOT_NEEDED:
                self.available = False

        with (
            mock.patch.object(imports.RequirementCache, "_check_requirement", look_for),
            mock.patch.object(imports, "package_available", lambda name: name not in NOT_NEEDED and is_there(name)),
        ):
            importlib.import_module("pytorch_lightning")
    importlib.import_module("phasemap.train.compat.lightning")
