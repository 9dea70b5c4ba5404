"""Makes ``import torchvision`` work beside a CPU-only torch.

torchvision's wheels are built for CUDA. Beside a CPU-only torch its compiled operators do not load, and
``import torchvision`` then fails with "operator torchvision::nms does not exist", and with it Lightning and
torchmetrics, which import it. Call ``ensure()`` before any of them: where the operators do not load, it declares the
two that torchvision's Python code looks up at import. Nothing here uses them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_libraries: list[torch.library.Library] = []  # a Library object must live as long as its operators


def ensure() -> None:
    """Loads torchvision's own operators or, failing that, declares ``nms`` and ``qnms`` without a body."""
    if _libraries or hasattr(torch.ops.torchvision, "nms"):
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for compiled in Path(spec.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(str(compiled))
        except (OSError, RuntimeError):
            continue
        return
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)
