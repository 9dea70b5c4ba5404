"""JAX: the cells of one depth as a stack, by ``vmap`` and ``jit``; hidden layers by ``lax.scan``, so that compiling a
deep network takes no minutes. Never needed: where JAX is not installed, importing this fails and the bench says so."""

from __future__ import annotations

import os
from functools import partial
from itertools import groupby
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the other methods want the GPU's memory, too
if os.environ.get("OMP_NUM_THREADS") == "1" and hasattr(os, "sched_setaffinity"):
    # XLA has no option for one thread; it starts as many as it may run on. (The methods take turns: any core will do.)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from phasemap.train.bench.methods.networks import Block, Cell, batches, network
from phasemap.train.cells import cells
from phasemap.train.data.load import load
from phasemap.train.data.samples import Data
from phasemap.train.families.catalogue import family_of

PHI = {"relu": jax.nn.relu, "tanh": jnp.tanh}
Tree = dict[str, Any]


def train(parameters: dict[str, Any], device: str) -> list[list[float]]:
    """The losses of every step, cell by cell, on JAX's own default device.

    Raises:
        RuntimeError: a GPU is asked for, and this JAX has none.
    """
    if device.startswith("cuda") and jax.default_backend() != "gpu":
        raise RuntimeError(f"JAX has no GPU here, only {jax.default_backend()}")
    jax.config.update("jax_default_matmul_precision", "highest")  # float32, as the others; a GPU's default is TF32
    jax.config.update("jax_enable_x64", parameters["dtype"] == "float64")
    data, points = load(parameters), cells(parameters)
    places = sorted(range(len(points)), key=lambda place: points[place]["depth"])
    losses: list[list[float]] = [[] for _ in points]
    for _, group in groupby(places, key=lambda place: points[place]["depth"]):
        together = list(group)
        for place, found in zip(together, _train_stack([points[i] for i in together], data), strict=True):
            losses[place] = found
    return losses


def _train_stack(stack: list[Cell], data: Data) -> list[list[float]]:
    cell = stack[0]
    trees = [_arrays(one, data) for one in stack]
    weights, running = (
        jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *part) for part in zip(*trees, strict=True)
    )
    remembered = jax.tree.map(jnp.zeros_like, weights)
    names = ("architecture", "activation", "eps", "lr", "momentum", "optimizer", "rmsprop_alpha", "rmsprop_eps")
    step = partial(_step, settings=tuple((name, cell.get(name)) for name in names))
    x, y = jnp.asarray(data.x_train, cell["dtype"]), jnp.asarray(data.y_train)
    losses = []
    for rows in np.stack([batches(one, data).numpy() for one in stack], 1):
        weights, running, remembered, loss = step(weights, running, remembered, x, y, rows)
        losses.append(loss)
    found: list[list[float]] = np.stack(losses, 1).tolist()
    return found


def _arrays(cell: Cell, data: Data) -> tuple[Tree, Tree]:
    """Weights and running statistics of one cell; hidden layers stacked."""
    layers = list(network(cell, inputs=data.x_train.shape[1], classes=data.classes))
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    read_out = {"out": _numpy(linear[-1].weight).T, "bias": _numpy(linear[-1].bias)}
    first = {"first": _numpy(linear[0].weight).T}
    if not family_of(cell).uses_batch_statistics:
        blocks = [layer for layer in layers if isinstance(layer, Block)]
        hidden = {
            "w": np.stack([_numpy(block.w.weight).T for block in blocks]),
            "b": np.stack([_numpy(block.w.bias) for block in blocks]),
            "v": np.stack([_numpy(block.v.weight).T for block in blocks]),
            "a": np.stack([_numpy(block.v.bias) for block in blocks]),
        }
        return {**first, **hidden, **read_out}, {}
    width = cell["width"]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm1d)]
    hidden = {
        "hidden": np.stack([_numpy(layer.weight).T for layer in linear[1:-1]]),
        "gamma": np.stack([_numpy(norm.weight) for norm in norms]),
        "beta": np.stack([_numpy(norm.bias) for norm in norms]),
    }
    ones = np.ones((len(norms), width), cell["dtype"])
    return {**first, **hidden, **read_out}, {"mean": 0 * ones, "variance": ones}


def _numpy(weight: torch.Tensor) -> Any:
    return weight.detach().numpy()


@partial(jax.jit, static_argnames="settings", donate_argnums=(0, 1, 2))
def _step(
    weights: Tree, running: Tree, remembered: Tree, x: Any, y: Any, rows: Any, settings: tuple[tuple[str, Any], ...]
) -> tuple[Tree, Tree, Tree, Any]:
    """One training step of all cells: (weights, running statistics, what the optimizer remembers, losses)."""
    cell = dict(settings)

    def loss_of(weights: Tree, running: Tree, x: Any, y: Any) -> tuple[Any, Tree]:
        logits, moved = (_batch_norm if family_of(cell).uses_batch_statistics else _residual)(weights, running, x, cell)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean(), moved

    gradient_of = jax.vmap(jax.value_and_grad(loss_of, has_aux=True))
    (loss, running), gradient = gradient_of(weights, running, x[rows], y[rows])
    if cell["optimizer"] == "rmsprop":
        alpha, eps = cell["rmsprop_alpha"], cell["rmsprop_eps"]
        remembered = jax.tree.map(lambda s, g: alpha * s + (1 - alpha) * g * g, remembered, gradient)
        gradient = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), gradient, remembered)
    elif cell["momentum"]:
        gradient = remembered = jax.tree.map(lambda v, g: cell["momentum"] * v + g, remembered, gradient)
    weights = jax.tree.map(lambda w, g: w - cell["lr"] * g, weights, gradient)
    return weights, running, remembered, loss


def _batch_norm(weights: Tree, running: Tree, x: Any, cell: Tree) -> tuple[Any, Tree]:
    """Logits [B, C] of one BN network, and its running statistics after this batch."""
    size = x.shape[0]

    def normalise(h: Any, gamma: Any, beta: Any) -> tuple[Any, tuple[Any, Any]]:
        mean, variance = h.mean(0), h.var(0)
        z = gamma * (h - mean) / jnp.sqrt(variance + cell["eps"]) + beta
        return PHI[cell["activation"]](z), (mean, variance * size / (size - 1))

    def layer(x: Any, parts: tuple[Any, Any, Any]) -> tuple[Any, tuple[Any, Any]]:
        w, gamma, beta = parts
        return normalise(x @ w, gamma, beta)

    gamma, beta = weights["gamma"], weights["beta"]
    x, first = normalise(x @ weights["first"], gamma[0], beta[0])
    x, rest = jax.lax.scan(layer, x, (weights["hidden"], gamma[1:], beta[1:]))
    seen = [jnp.concatenate([one[None], others]) for one, others in zip(first, rest, strict=True)]
    moved = {name: 0.9 * running[name] + 0.1 * now for name, now in zip(("mean", "variance"), seen, strict=True)}
    return x @ weights["out"] + weights["bias"], moved


def _residual(weights: Tree, running: Tree, x: Any, cell: Tree) -> tuple[Any, Tree]:
    """Logits [B, C] of one residual network."""

    def block(x: Any, parts: tuple[Any, Any, Any, Any]) -> tuple[Any, None]:
        w, b, v, a = parts
        return x + PHI[cell["activation"]](x @ w + b) @ v + a, None

    x, _ = jax.lax.scan(block, x @ weights["first"], tuple(weights[name] for name in "wbva"))
    return x @ weights["out"] + weights["bias"], running
