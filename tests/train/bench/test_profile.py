"""Where a step's time goes: every operation counts once, for what it is part of."""

from __future__ import annotations

from typing import Any

import pytest
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from phasemap.train.bench import profile
from phasemap.train.bench.profile import KINDS, LAYER, PRODUCTS, REST, UPDATE, by_kind, kind_of, shares

TINY: dict[str, Any] = {"width": 16, "batch_size": 32, "lr": 0.01, "depth": [3, 9], "seed": [0, 5]}
WANTED = {
    "aten::bmm": PRODUCTS,  # also where it is part of a layer
    "aten::baddbmm": PRODUCTS,
    "aten::relu_": LAYER,
    "aten::threshold_backward": LAYER,
    "aten::rsqrt_": LAYER,
    "aten::_foreach_addcmul_": UPDATE,
    "aten::nll_loss2d_forward": REST,
    "aten::lerp_": REST,  # of the running statistics
}


def test_every_operation_counts_for_what_it_is_part_of() -> None:
    step = profile._step(TINY, "cpu", 64, 10)
    step()
    found: dict[str, set[str]] = {}
    for event in profile.events(step, 1, on_gpu=False):
        found.setdefault(event.name, set()).add(kind_of(event))
    assert {name: found.get(name) for name in WANTED} == {name: {kind} for name, kind in WANTED.items()}


def test_a_kernel_of_the_gpu_counts_once() -> None:
    """As the profiler gives it: with the operation that launched it, and as an event of its own."""

    def event(name: str, device: DeviceType, first: int, last: int) -> FunctionEvent:
        return FunctionEvent(1, name, 0, first, last, device_type=device, use_device="cuda")

    product, scale = (event(name, DeviceType.CPU, 0, 9) for name in ("aten::bmm", "aten::mul_"))
    layer = event("_LinearBatchNormActivation", DeviceType.CPU, 0, 30)
    for part, kernel, microseconds in ((product, "gemm", 70), (scale, "elementwise", 20)):
        part.append_kernel(kernel, 0, microseconds)
        part.set_cpu_parent(layer)
        layer.append_cpu_child(part)
    kernels = [event("gemm", DeviceType.CUDA, 100, 170), event("elementwise", DeviceType.CUDA, 170, 190)]
    spent = by_kind([layer, product, scale, *kernels], on_gpu=True)
    assert spent == {PRODUCTS: 70, LAYER: 20, UPDATE: 0, REST: 0}


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "rmsprop"}, {"architecture": "resnet", "widths": "16"}], ids=str
)
def test_shares_are_of_the_whole(settings: dict[str, Any]) -> None:
    tile = {name: value for name, value in {**TINY, **settings}.items() if name != "width" or "widths" not in settings}
    found = shares(tile, "cpu", inputs=64, classes=10)
    assert found["members"] == 4
    assert found["seconds_per_step"] > 0
    assert found["shares"].keys() == set(KINDS)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert (found["shares"][LAYER] == 0) == ("architecture" in settings)
    assert min(found["shares"][kind] for kind in (PRODUCTS, UPDATE, REST)) > 0
