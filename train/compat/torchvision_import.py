"""Makes ``import torchvision`` work beside a CPU-only torch.

torchvision's wheels are built for CUDA. Beside a CPU-only torch its compiled operators do not load, and
``import torchvision`` then fails with "operator torchvision::nms does not exist", and with it Lightning and
torchmetrics, which import it. Call ``ensure()`` before any of them: where the import fails so, it declares the two
operators that torchvision's Python code looks up. Nothing here uses them.
"""

from __future__ import annotations

import contextlib
import importlib
import sys

import torch

_libraries: list[torch.library.Library] = []  # a Library object must live as long as its operators


def ensure() -> None:
    """Imports torchvision, if need be with ``nms`` and ``qnms`` declared without a body. Where torchvision is not
    installed, or broken in another way, nothing happens: who imports it hears of it."""
    if _libraries or "torchvision" in sys.modules:
        return
    try:
        # by its own loader: under what name the compiled operators lie is torchvision's business, and loading them a
        # second time or declaring what they define ends the process
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            return
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)
        with contextlib.suppress(Exception):
            importlib.import_module("torchvision")
    except Exception:
        return
