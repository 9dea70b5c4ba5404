"""Which cells are trained, how long, by whom, and what the ratios should reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.train.families.residual import FAMILY as RESIDUAL

AGENT, LIGHTNING, PLAIN, VMAP, JAX, ENGINE, WORKERS = (
    "agent",
    "lightning",
    "plain",
    "vmap",
    "jax",
    "engine",
    "workers",
)
METHODS = {
    AGENT: "one Lightning run per cell in a process of its own, as a W&B agent does it",
    LIGHTNING: "the same run in a process that is there already",
    PLAIN: "a plain PyTorch loop per cell",
    VMAP: "torch.func: stack_module_state and vmap over the cells of one depth",
    JAX: "JAX: vmap and jit over the cells of one depth",
    ENGINE: "this engine, one worker process",
    WORKERS: "this engine, the same cells over two worker processes",
}
GEMM_FRACTION = "gemm fraction"
"""Of the measured rate of a large matrix product, the part that the engine's steps reach."""
QUICK_METHODS = (AGENT, PLAIN, VMAP, ENGINE)
"""What ``--quick`` compares."""
ONE_BY_ONE = (AGENT, LIGHTNING, PLAIN)
"""Methods that train one cell at a time, so that fewer cells (``Row.single``) tell their rate."""


@dataclass(frozen=True)
class Target:
    """``ratio`` (``"engine/plain"``, of cell·steps per second) should be ``at_least`` so much."""

    ratio: str
    at_least: float


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: in words.
        tile: parameters of the cells that stacks are made of; ``seed`` is a list.
        single: what differs for methods that train one cell at a time: few cells of the same mean depth.
        methods: those compared.
        quick: what differs in the tile with ``--quick``.
        targets: what should be reached.
        from_start: steps of a training that is timed as a whole, from the start of its process to the end of the
            evaluation. Without it, the rate of the training steps alone is timed.
        estimated: steps of the figure's own training: the time of a whole run is estimated from start-up and rate.
        gpu: whether it is a GPU's row.
    """

    what: str
    tile: dict[str, Any]
    single: dict[str, Any]
    methods: tuple[str, ...]
    quick: dict[str, Any]
    targets: tuple[Target, ...]
    from_start: int | None = None
    estimated: int | None = None
    gpu: bool = False


def _values(first: int, last: int, step: int = 1) -> list[int]:
    return list(range(first, last + 1, step))


COMMON = {"lr": 0.01, "dtype": "float32", "test_size": 64}
"""Float32, and few test samples: the evaluation is not what is timed."""
NARROW = {**COMMON, "width": 64, "batch_size": 32}
WIDE = {**COMMON, "test_size": 128, "width": 384, "batch_size": 128}
BEATEN = Target("engine/vmap", 1.0)
ALL = (LIGHTNING, VMAP, JAX, PLAIN, ENGINE, WORKERS)
"""In the order of their turns: what the targets compare stands together, as machines' speed wanders."""
SOME = (VMAP, JAX, PLAIN, ENGINE)

ROWS = {
    "narrow": Row(
        what="BN networks, width 64, batch 32, depths 10 to 100 × 8 seeds",
        tile={**NARROW, "depth": _values(10, 100, 10), "seed": _values(0, 7)},
        single={"seed": [0]},
        methods=ALL,
        quick={"depth": [10, 30, 50], "seed": _values(0, 3)},
        targets=(Target("engine/plain", 3.2), Target("workers/plain", 6.0), BEATEN),
    ),
    "wide": Row(
        what="BN networks, width 384, batch 128, depths 5 to 20 × 4 seeds",
        tile={**WIDE, "depth": [5, 10, 15, 20], "seed": _values(0, 3)},
        single={"seed": [0]},
        methods=ALL,
        quick={"depth": [5, 10], "seed": [0, 1]},
        targets=(Target("engine/plain", 0.95), Target("workers/plain", 1.8), BEATEN),
    ),
    "seconds": Row(
        what="whole runs from start to evaluation: width 64, batch 32, depths 10 to 50 × 16 seeds, 200 steps",
        tile={"lr": 0.01, "dtype": "float32", "width": 64, "batch_size": 32, "depth": _values(10, 50, 10),
              "seed": _values(0, 15)},
        single={"depth": [30], "seed": [0]},
        methods=(AGENT, ENGINE, WORKERS),
        quick={"depth": [10, 50], "seed": _values(0, 7)},
        targets=(Target("engine/agent", 20.0), Target("workers/agent", 20.0)),
        from_start=200,
    ),
    RESIDUAL.name: Row(
        what="residual networks, tanh, width 64, batch 32, depths 10 to 50 × 8 seeds",
        tile={**COMMON, "architecture": RESIDUAL.name, "activation": "tanh", "widths": "64", "lr": 1e-4,
              "batch_size": 32,
              "depth": _values(10, 50, 10), "seed": _values(0, 7)},
        single={"seed": [0]},
        methods=SOME,
        quick={"depth": [10, 30], "seed": _values(0, 3)},
        targets=(BEATEN,),
    ),
    "rmsprop": Row(
        what="BN networks, RMSProp, width 64, batch 32, depths 10 to 50 × 8 seeds",
        tile={**NARROW, "optimizer": "rmsprop", "lr": 1e-3, "depth": _values(10, 50, 10), "seed": _values(0, 7)},
        single={"seed": [0]},
        methods=SOME,
        quick={"depth": [10, 30], "seed": _values(0, 3)},
        targets=(BEATEN,),
    ),
    "paper": Row(
        what="a tile of Fig. 3(a) at the paper's scale: width 384, batch 128, depths 5 to 100 × 3 seeds",
        tile={"lr": 1.28e-3, "dtype": "float32", "width": 384, "batch_size": 128, "depth": _values(5, 100, 5),
              "seed": _values(0, 2)},
        single={"depth": [50, 55], "seed": [0]},
        methods=(AGENT, *ALL),
        quick={"depth": [10, 50], "seed": _values(0, 1)},
        targets=(Target("whole engine/agent", 20.0), Target("engine/plain", 10.0), BEATEN, Target(GEMM_FRACTION, 0.5)),
        estimated=4680,
        gpu=True,
    ),
}  # fmt: skip

GRID, GRID_BATCHES, GRID_EPOCHS, GRID_MINUTES = "grid", (8, 16, 32, 64, 128, 256, 512, 1000), 10, 20.0
"""Fig. 3(a) at the paper's scale, a tile for each batch size: from their rates its minutes on one GPU are estimated."""
SCALING, STARTUP = "scaling", "startup"

SERIES: dict[str, tuple[int, ...]] = {
    "members": (1, 2, 4, 8, 16, 32, 64),
    "depth": (5, 10, 20, 40, 80),
    "width": (32, 64, 128, 256, 384),
    "batch_size": (8, 16, 32, 64, 128),
}
SERIES_TILE = {**NARROW, "test_size": 128, "depth": [10], "seed": _values(0, 7)}
"""Each series changes one parameter of this tile (members: the seeds)."""
WORKERS_TILE = {**NARROW, "depth": [10, 20, 30], "seed": _values(0, 7)}
"""What each worker trains in the series over workers."""


def series_tile(name: str, value: int) -> dict[str, Any]:
    """The tile of one point of a series."""
    changes = {"members": {"seed": _values(0, value - 1)}, "depth": {"depth": [value]}}
    return {**SERIES_TILE, **changes.get(name, {name: value})}


def rows_of(names: str | None, *, gpu: bool, quick: bool) -> list[str]:
    """The parts of the bench that ``--rows`` names; without it all that fit the device (``--quick``: a few).

    Raises:
        InputError: an unknown name, or a row of the other kind of device.
    """
    fitting = [name for name, row in ROWS.items() if row.gpu == gpu] + [GRID] * gpu + [SCALING, STARTUP]
    if names is None:
        return (["paper"] if gpu else ["narrow", "wide"]) if quick else fitting
    asked = [name.strip() for name in names.split(",") if name.strip()]
    if not asked or not set(asked) <= set(fitting):
        raise InputError(f"--rows {names}: expected some of {', '.join(fitting)}")
    return [name for name in fitting if name in asked]
