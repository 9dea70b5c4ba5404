"""What a result file holds, as types: the JSON of one trained tile (docs/architecture.md says what is what).

They are the schema that `sweeps.store.result` holds every file against; what types cannot say is in
`sweeps.store.result_laws`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from phasemap.train.documents import Count, Number, Rate, Scalar, Text, Whole

Outcome = Literal["finished", "diverged", "dead"]
Dtype = Annotated[str, Meta(pattern=r"^float(32|64)\Z")]
Logarithms = list[list[Number | None]]
"""For each recorded step a list over the layers."""


class History(TypedDict):
    """The training loss of one cell: the last step of each stretch, and the mean over it (null if not finite)."""

    step: list[Count]
    loss: list[Number | None]


class Monitored(TypedDict):
    """What a monitor recorded of every layer: natural logarithms of norms, null where one is zero or not finite."""

    step: list[Count]
    layer: list[Text]
    log_weight: Logarithms
    log_weight_gradient: Logarithms
    log_output_gradient: Logarithms


class Epochs(TypedDict):
    """How a network did epoch by epoch: a list over the epochs for each."""

    epoch: list[Number]
    train_accuracy: list[Rate | None]
    train_loss: list[Number | None]
    test_accuracy: list[Rate | None]
    test_loss: list[Number | None]


class _AskedFor(TypedDict, total=False):
    monitor: Monitored
    epochs: Epochs
    exceeds_float32: bool


class CellResult(_AskedFor):
    """One trained network. ``monitor`` and ``epochs`` are there only where they were asked for."""

    parameters: Mapping[Text, Scalar]
    seed: Count
    outcome: Outcome
    diverged_at: Count | None
    test_accuracy: Rate | None
    test_accuracy_batch: Rate | None
    train_accuracy: Rate | None
    train_accuracy_batch: Rate | None
    test_loss: Number | None
    train_loss: Number | None
    sum_lr: Number
    steps: Count
    history: History


class _Moments(TypedDict, total=False):
    p0: Number
    gamma0: Number


class DataDescription(_Moments):
    """The data that a tile was trained on; p0 and gamma0 are what the theory of residual networks starts from."""

    name: Text
    digest: Text
    train_size: Count
    test_size: Count
    chance: Rate


class Content(TypedDict):
    """What decides whether two results are equal."""

    semantics: Whole
    parameters: dict[Text, Scalar | list[Scalar]]
    dtype: Dtype
    data: DataDescription
    cells: Annotated[list[CellResult], Meta(min_length=1)]


class Provenance(TypedDict, total=False):
    """Where a result comes from; ``schema`` and what follows is the store's stamp, put on when it is written."""

    versions: dict[Text, Text]
    device: Text
    commit: Text | None
    wall_time: Number
    created: Text
    schema: Whole
    key: Text
    checksum: Text
    written: Text
    seal: Text


class Result(TypedDict):
    """One result file: the content, and where it comes from (versions, device, commit, time)."""

    content: Content
    provenance: Provenance
