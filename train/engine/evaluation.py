"""Accuracy and loss of every member: with running statistics, and with the statistics of batches of training size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from phasemap.models.stack import Stack

ELEMENTS_AT_ONCE = 2**18  # of one layer of one network, at least ROWS_AT_ONCE samples: bounds memory
ROWS_AT_ONCE = 32
DEAD = 1e-6  # logits that differ by less, relative to the largest, are equal


@dataclass(frozen=True)
class Evaluation:
    """Per member (in the stack's order): accuracy, mean cross-entropy, whether all logits are finite, and whether every
    input gets the same logits to 1e-6 relative."""

    accuracy: Float[Tensor, " K"]
    loss: Float[Tensor, " K"]
    finite: Bool[Tensor, " K"]
    constant: Bool[Tensor, " K"]


@torch.no_grad()
def evaluate(
    stack: Stack,
    samples: Float[Tensor, "m D"],
    labels: Int64[Tensor, " m"],
    *,
    statistics_batch_size: int | None = None,
) -> Evaluation | None:
    """Evaluates all members on all samples.

    Args:
        statistics_batch_size: None for running statistics. Else the samples are taken in one fixed permutation, in
            batches of exactly this size; each is normalised by its own statistics, and the tail is dropped.

    Returns:
        None where there are fewer samples than ``statistics_batch_size``.
    """
    members = len(stack)
    # not by the number of members: the parts that a sum is made of must not depend on a network's company
    chunk = max(ROWS_AT_ONCE, ELEMENTS_AT_ONCE // max(stack.widest, samples.shape[1]))
    if statistics_batch_size is not None:
        used = len(samples) // statistics_batch_size * statistics_batch_size
        if not used:
            return None
        order = torch.from_numpy(np.random.default_rng(2).permutation(len(samples))[:used]).to(samples.device)
        samples, labels = samples[order], labels[order]
        chunk = max(1, chunk // statistics_batch_size) * statistics_batch_size
    correct, loss, low, high = [], [], [], []
    for x, y in zip(samples.split(chunk), labels.split(chunk), strict=True):
        stacked = x.expand(members, -1, -1)
        if statistics_batch_size is None:
            logits = stack.forward_running(stacked)
        else:
            logits = stack(stacked, statistics_batch_size=statistics_batch_size)
        correct.append((logits.argmax(2) == y).sum(1))
        targets = y.expand(members, -1)
        loss.append(functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none").double().sum(1))
        low.append(logits.amin(1))
        high.append(logits.amax(1))
    lowest, highest = torch.stack(low).amin(0), torch.stack(high).amax(0)
    size = torch.maximum(lowest.abs(), highest.abs()).amax(1)
    return Evaluation(
        accuracy=torch.stack(correct).sum(0).double() / len(samples),
        loss=torch.stack(loss).sum(0) / len(samples),
        finite=(lowest.isfinite() & highest.isfinite()).all(1),
        constant=((highest - lowest).amax(1) <= DEAD * size),
    )
