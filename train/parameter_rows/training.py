"""Parameters of the data and of the training, which every family has."""

from __future__ import annotations

from collections.abc import Mapping

from phasemap.theory.ranges import COUNT, Range
from phasemap.train.data.catalogue import DATA_SETS, is_data_set
from phasemap.train.parameter_rows.row import Parameter, in_range, one_of, within

SAMPLES = Range(3, COUNT.most)

DATA: Mapping[str, Parameter] = {
    "dataset": Parameter(
        str,
        "digits",
        "digits, mnist, cifar10, cifar100, or a .npz file",
        is_data_set,
        lambda: f"one of {', '.join(DATA_SETS)}, or path/to/file.npz",
        other_names=("data",),
    ),
    "train_size": Parameter(
        int,
        None,
        "training samples used (first of a fixed permutation)",
        **within(SAMPLES),
        absent="all",
        nullable=True,
        unit="samples",
        other_names=("train_samples", "train"),
    ),
    "test_size": Parameter(
        int,
        None,
        "test samples used (first of a fixed permutation)",
        **within(SAMPLES),
        nullable=True,
        absent="all",
        unit="samples",
        other_names=("test_samples", "test"),
    ),
}

STEP: Mapping[str, Parameter] = {
    "batch_size": Parameter(
        int,
        64,
        "samples in one step",
        **in_range("batch_size"),
        unit="samples",
        other_names=("bs", "B", "batch", "minibatch"),
    ),
    "statistics_batch_size": Parameter(
        int,
        None,
        "samples in one BN statistic; divides batch_size, and is batch_size if not given",
        **in_range("batch_size"),
        nullable=True,
        unit="samples",
        other_names=("sub_batch", "ghost_batch", "virtual_batch_size"),
    ),
    "optimizer": Parameter(
        str, "sgd", "optimizer", **one_of("sgd", "rmsprop"), other_names=("opt", "optim", "optimiser")
    ),
    "lr": Parameter(
        float,
        None,
        "learning rate",
        **in_range("lr"),
        stackable=True,
        nullable=True,
        other_names=("learning_rate", "eta", "step_size"),
    ),
    "lr_per_sample": Parameter(
        float, None, "learning rate / batch_size, instead of lr", **in_range("lr"), stackable=True, nullable=True
    ),
    "momentum": Parameter(
        float, 0.0, "heavy-ball momentum", lambda value: 0 <= value < 1, "in [0, 1)", other_names=("heavy_ball",)
    ),
}
"""What one step is made of. A family's own parameters of the training come behind them in the table."""

RUN: Mapping[str, Parameter] = {
    "rmsprop_alpha": Parameter(
        float,
        0.99,
        "RMSProp's smoothing constant",
        lambda value: 0 <= value < 1,
        "in [0, 1)",
        other_names=("rho", "smoothing"),
    ),
    "rmsprop_eps": Parameter(float, 1e-8, "RMSProp's epsilon, added to the root", **in_range("lr")),
    "epochs": Parameter(
        int,
        None,
        "passes over the training set (the last partial batch is dropped)",
        **within(COUNT),
        nullable=True,
        unit="epochs",
        other_names=("epoch", "passes"),
    ),
    "steps": Parameter(
        int,
        None,
        "steps, instead of epochs",
        **within(COUNT),
        nullable=True,
        unit="steps",
        other_names=("iterations", "iters", "iter", "updates"),
    ),
    "seed": Parameter(
        int,
        0,
        "of the cell: initial weights and order of the data",
        **in_range("seed"),
        stackable=True,
        other_names=("random_seed", "random_state", "rng"),
    ),
    "dtype": Parameter(
        str,
        "auto",
        "auto: float64 where gradients would overflow float32",
        **one_of("auto", "float32", "float64"),
        other_names=("precision",),
    ),
    "tf32": Parameter(
        bool,
        None,
        "let a GPU compute float32 products in TF32 (10 bits of mantissa); off if not given",
        nullable=True,
        absent="off",
    ),
    "monitor": Parameter(
        str,
        None,
        "records every layer's magnitudes at every step, or at the first step of every epoch",
        **one_of("step", "epoch"),
        nullable=True,
    ),
}
