"""What a result file holds, as types: the JSON of one trained tile (docs/architecture.md says what is what)."""

from __future__ import annotations

from typing import Any, TypedDict

Scalar = bool | int | float | str | None
"""What a parameter of one cell can be."""


class History(TypedDict):
    """The training loss of one cell: the last step of each stretch, and the mean over it (null if not finite)."""

    step: list[int]
    loss: list[float | None]


class _Monitored(TypedDict, total=False):
    monitor: dict[str, Any]
    epochs: dict[str, Any]


class CellResult(_Monitored):
    """One trained network. ``monitor`` and ``epochs`` are there only where they were asked for."""

    parameters: dict[str, Scalar]
    seed: int
    outcome: str
    diverged_at: int | None
    test_accuracy: float | None
    test_accuracy_batch: float | None
    train_accuracy: float | None
    train_accuracy_batch: float | None
    test_loss: float | None
    train_loss: float | None
    sum_lr: float
    steps: int
    exceeds_float32: bool
    history: History


class DataDescription(TypedDict):
    """The data that a tile was trained on; p0 and gamma0 are what the theory of residual networks starts from."""

    name: str
    digest: str
    train_size: int
    test_size: int
    chance: float
    p0: float
    gamma0: float


class Content(TypedDict):
    """What decides whether two results are equal."""

    semantics: int
    parameters: dict[str, Any]
    dtype: str
    data: DataDescription
    cells: list[CellResult]


class Result(TypedDict):
    """One result file: the content, and where it comes from (versions, device, commit, time)."""

    content: Content
    provenance: dict[str, Any]
