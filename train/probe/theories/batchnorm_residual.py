"""Blocks x + W·φ(BN(x)), or of several such layers in turn: pre-activation residual networks (He et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phasemap.theory.batchnorm.skip_connections import gradient_exponent, residual_growth
from phasemap.theory.errors import InputError
from phasemap.train.probe.autograd.chains import Point, between, is_sum
from phasemap.train.probe.theories.batchnorm import (
    NormalisedLayer,
    finite_width_allowance,
    mean_sigma_w,
    normalised_layer,
)
from phasemap.train.probe.theories.stretch import Stretch, Surroundings, trimmed


@dataclass(frozen=True)
class BatchNormBlock:
    """One block.

    Attributes:
        layers: from its input. spread: μ of its input; None where that is not measured.
        mean_share: of the gradient by its output, if it is the last of its stretch: the batch mean's.
    """

    layers: tuple[NormalisedLayer, ...]
    spread: float | None
    mean_share: float

    def continues_with(self, other: Any) -> bool:
        """Whether the same law goes on."""
        if not isinstance(other, BatchNormBlock) or len(self.layers) != len(other.layers):
            return False
        return all(one.like(following) for one, following in zip(self.layers, other.layers, strict=True))

    @staticmethod
    def stretch(first: int, steps: Sequence[BatchNormBlock]) -> Stretch:
        """1 + λ_G↓^k·μ*/μ for each, about. Raises InputError if the theory has none, or the first spread is unknown."""
        layers = [layer for step in steps for layer in step.layers]
        one, block_layers = layers[0], len(steps[0].layers)
        if not steps[0].spread:
            raise InputError("residual blocks whose input is no layer's output, or one for all samples: no spread")
        sigma_w, width = mean_sigma_w(layers), min(layer.width for layer in layers)
        exponent = gradient_exponent(one.activation, one.batch_size, block_layers=block_layers)
        log_gradient = residual_growth(
            one.activation,
            one.batch_size,
            len(steps) + 1,
            spread=steps[0].spread,
            eps=one.eps,
            sigma_w=sigma_w,
            block_layers=block_layers,
            mean_share=steps[-1].mean_share,
        ).log_gradient
        log_rates = log_gradient[:-1] - log_gradient[1:]
        # ln of the growth in a block is about proportional to λ_G↓^k, which has k times the error of ln λ_G↓
        allowance = block_layers * finite_width_allowance(one.batch_size, width)
        return Stretch(
            first,
            first + len(steps) - 1,
            f"residual blocks of {f'{block_layers} × ' if block_layers > 1 else ''}BatchNorm (ε {one.eps:g}) → "
            f"{one.activation.label} → Linear, batch size {one.batch_size}, width {width}, σ_w {sigma_w:.3g}, "
            f"‖gradient‖² ∝ block^(−{exponent:.3g}) beyond the first",
            log_rates,
            allowance * float(log_rates[trimmed(len(steps))].mean()),
        )


def batchnorm_block(below: Point, above: Point, around: Surroundings) -> BatchNormBlock | str:
    """The block between two points; a sentence if it is none."""
    if not is_sum(below, above, around.graph):
        return "blocks with batch normalisation of another form than x + W·φ(BN(x))"
    layers: list[NormalisedLayer] = []
    end = below.node
    for linear in above.layers:
        layer = normalised_layer(linear, end, around)
        if isinstance(layer, str):
            return f"in a residual block: {layer}"
        if layers and not layers[0].like(layer):
            return "residual blocks whose layers differ"
        layers.append(layer)
        assert linear.place is not None
        end = linear.place[0]
    p, cosine = below.moments.mean_square, below.moments.cosine
    spread = None if p is None or cosine is None else p * (1 - cosine)
    return BatchNormBlock(tuple(layers), spread, _mean_share(above, layers[0].batch_size, around))


def _mean_share(above: Point, batch_size: int, around: Surroundings) -> float:
    """Of the gradient above the last block: a layer that no BN precedes passes that of each sample by itself."""
    if around.next is None:
        return 1 / batch_size
    if not around.next.is_layer:
        return 0.0
    nodes = between(around.graph, around.next.layers[0].inputs, above.node)
    return 0.0 if nodes and nodes[-1] in around.norms else 1 / batch_size
