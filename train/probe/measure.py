"""``probe(model, x)``: how signals and gradients propagate through any torch model, which is left as it was.

    from phasemap.train.probe.measure import probe
    found = probe(model, torch.randn(128, 784))
    found.rate, found.layers, found.comparisons

One forward pass and one backward pass by the activations only, less than one step of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from phasemap.theory.errors import InputError
from phasemap.theory.guard import guard
from phasemap.theory.plural import counted
from phasemap.train.probe.autograd.backward import RescaledBackprop
from phasemap.train.probe.autograd.chains import Point, is_weight_layer, outside_modules, points
from phasemap.train.probe.autograd.forward import Call, Moments, run_forward
from phasemap.train.probe.autograd.graph import trace_graph
from phasemap.train.probe.autograd.inputs import Inputs, Start
from phasemap.train.probe.prediction import predict
from phasemap.train.probe.probeable import probeable, set_mode, uncompiled
from phasemap.train.probe.rate import Rate, explosion_rate
from phasemap.train.probe.theories.stretch import Stretch, trimmed
from phasemap.train.probe.untouched import seed_generators, untouched

MODES = ("train", "eval", "as-is")


@dataclass(frozen=True)
class Layer:
    """One call of an innermost module, in call order.

    Attributes:
        name, kind, shape: as in ``forward.Call``. moments: of its output. weights: whether it owns a matrix of weights,
            so that its output is a pre-activation.
        log_gradient: ln ‖∂⟨cotangent, output⟩/∂(the layer's output)‖ over the whole batch; −∞ where it is zero, NaN
            where it is not finite or no gradient arrives.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    moments: Moments
    log_gradient: float
    weights: bool

    def __repr__(self) -> str:
        return f"Layer({self.name}: {self.kind}, ln ‖gradient‖ {self.log_gradient:.4g})"


@dataclass(frozen=True)
class Comparison:
    """A stretch that the theory knows, beside what was measured on it.

    Attributes:
        predicted: ln λ_G↓, the mean over the same steps as the measured one. measured: None with fewer than two steps.
    """

    stretch: Stretch
    predicted: float
    measured: Rate | None

    @property
    def within(self) -> bool | None:
        """Whether the prediction lies in the measured interval, which holds the allowance for finite width."""
        ends = self.measured.interval() if self.measured else None
        return None if ends is None else ends[0] <= self.predicted <= ends[1]


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        points: names of where the rate is measured, layers or blocks, from the input.
        moments, log_gradient: of the activation there, and ln of its gradient's norm.
        rate: None with fewer than three points, or where a gradient is zero or not finite.
        comparisons: with the theory. notes: what is missing, and why.
    """

    layers: tuple[Layer, ...]
    points: tuple[str, ...]
    moments: tuple[Moments, ...]
    log_gradient: Float[np.ndarray, " points"]
    rate: Rate | None
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        rate = "no rate" if self.rate is None else f"λ_G {math.exp(self.rate.log_rate):.4g} ({self.rate.regime})"
        return f"Probe({len(self.layers)} layers, {len(self.points)} of them or blocks on the gradient's way: {rate})"

    @property
    def total_growth(self) -> float:
        """ln of the growth of ‖gradient‖² from the last point to the first; NaN without two, or without a gradient."""
        steps = self.log_growth
        return float(steps.sum()) if len(steps) else math.nan

    @property
    def log_growth(self) -> Float[np.ndarray, " steps"]:
        """ln of the growth of ‖gradient‖² by each step towards the input; not finite where a gradient is none."""
        return log_growth(self.log_gradient)


def log_growth(log_gradient: Float[np.ndarray, " points"]) -> Float[np.ndarray, " steps"]:
    """As ``Probe.log_growth``."""
    with np.errstate(invalid="ignore"):  # −∞ − −∞ where gradients are zero
        return -2 * np.diff(log_gradient)


def probe(
    model: nn.Module,
    *inputs: Any,
    keywords: Mapping[str, Any] = MappingProxyType({}),
    seed: int = 0,
    mode: str = "train",
    forward_context: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Probe:
    """Measures activations and, by rescaled backprop of a random N(0, 1) cotangent at the output, gradients.

    Args:
        model: any module whose ``model(*inputs, **keywords)`` returns a floating-point tensor, or several in tuples,
            lists, mappings or data classes.
        inputs, keywords: on the model's device; tensors may lie in tuples, lists, mappings and data classes. The first
            is a batch [B, …] in the model's dtype, to which the gradient is followed, or of integers (tokens): then it
            is followed to the first floating-point activation.
        seed: of the cotangent, and of what the forward pass draws (dropout).
        mode: ``train`` (batch statistics, dropout at work), ``eval``, or ``as-is``.
        forward_context: entered around the forward pass, for autocast.

    Raises:
        InputError: fewer than two samples, a forward or backward pass that fails (with the layer), or anything that
            ``Inputs.of``, ``probeable``, ``set_mode``, ``run_forward``, ``trace_graph`` or ``untouched`` refuse.
    """
    if mode not in MODES:
        raise InputError(f"mode {mode!r}: expected one of {', '.join(MODES)}")
    model = probeable(model)
    with untouched(model), uncompiled(), torch.inference_mode(False), torch.enable_grad():
        set_mode(model, mode)
        seed_generators(model, seed)
        called = Inputs.of(inputs, keywords)
        with guard("what stands around the forward pass fails"), forward_context():
            outputs, recorded, start = run_forward(model, called)
        calls = recorded.calls
        outputs = [output for output in outputs if output.requires_grad]
        graph = trace_graph([output.grad_fn for output in outputs], start.node)
        places = points(calls, graph, recorded.moments)
        wanted = {call.place for call in calls if call.place}
        generator = torch.Generator().manual_seed(seed)
        cotangents = [torch.randn(output.shape, generator=generator, device="cpu").to(output) for output in outputs]
        backprop = RescaledBackprop(graph, wanted, [point.node for point in places])
        names = {call.place[0]: f" in layer {call.name!r} ({call.kind})" for call in calls if call.place}
        with guard(lambda _: f"the backward pass fails{names.get(backprop.reached, '')}"):
            backprop.run(outputs, cotangents, start.leaf)
        stretches, reasons = predict(places, calls, graph)
        functions = outside_modules(calls, graph)
    log_gradient = np.array([backprop.at_cut.get(point.node, math.nan) for point in places])
    steps = log_growth(log_gradient)
    layers = tuple(
        Layer(call.name, call.kind, call.shape, call.moments, _at(backprop, call), is_weight_layer(call))
        for call in calls
    )
    return Probe(
        layers=layers,
        points=tuple(point.name for point in places),
        moments=tuple(point.moments for point in places),
        log_gradient=log_gradient,
        rate=explosion_rate(steps, allowance=_allowance(stretches, len(steps))),
        comparisons=tuple(_compare(stretch, steps) for stretch in stretches),
        notes=(*_about_inputs(called, calls, start), *_notes(layers, places, steps, reasons, functions)),
    )


def _at(backprop: RescaledBackprop, call: Call) -> float:
    return math.nan if call.place is None else backprop.found.get(call.place, math.nan)


def _compare(stretch: Stretch, steps: Float[np.ndarray, " steps"]) -> Comparison:
    own = steps[stretch.first : stretch.last + 1]
    predicted = float(stretch.log_rates[trimmed(len(own))].mean())
    measured = explosion_rate(own, predicted=stretch.log_rates, allowance=stretch.allowance)
    return Comparison(stretch, predicted, measured)


def _allowance(stretches: list[Stretch], steps: int) -> float:
    """That of the stretch that holds every step of the rate, if there is one."""
    used = trimmed(steps)
    holds = [s.allowance for s in stretches if s.first <= used.start and used.stop - 1 <= s.last]
    return holds[0] if holds else 0.0


def _about_inputs(called: Inputs, calls: Sequence[Call], start: Start) -> list[str]:
    """Where the gradient ends, unless it is the only input."""
    notes = []
    if called.start is None:
        first = next(call for call in calls if call.place and call.place[0] is start.node)
        notes.append(f"the input holds integers: the gradient is followed to the output of {first.name!r}")
    if called.others:
        which = "all but the first of the" if called.start else "the"
        count = called.others + bool(called.start)
        notes.append(f"no gradient is taken by {which} {count} floating-point input{'s' if count > 1 else ''}")
    return notes


def _notes(
    layers: tuple[Layer, ...],
    places: list[Point],
    steps: Float[np.ndarray, " steps"],
    reasons: list[tuple[str, int]],
    functions: dict[str, int],
) -> list[str]:
    """What a reader must know beside the numbers."""
    notes = []
    broken = next((layer.name for layer in layers if layer.moments.mean_square is None and layer.shape), None)
    if broken is not None:
        notes.append(f"activations are not finite from layer {broken!r} on")
    if len(places) < 3:
        notes.append(
            f"no explosion rate: it needs at least 3 weight layers or blocks in a row, and there are {len(places)}"
        )
    elif not np.isfinite(steps).all():
        where = places[int(np.flatnonzero(~np.isfinite(steps))[-1])].name
        notes.append(f"the gradient is zero or not finite at {where!r}")
    blocks = sum(not point.is_layer for point in places)
    if blocks:
        notes.append(
            f"a step is a layer, or a block that a skip connection spans: {blocks} of {len(places)} points are blocks"
        )
    if functions:
        named = ", ".join(f"{kind} ({count})" for kind, count in functions.items())
        notes.append(f"computed by functions between the modules, and so not among the layers: {named}")
    missing = [layer.name for layer in layers if layer.shape and math.isnan(layer.log_gradient)]
    if missing:
        more = f" and {len(missing) - 1} layers more" if len(missing) > 1 else ""
        notes.append(f"no gradient arrives at {missing[0]!r}{more}")
    notes += [f"no prediction for {count} of {counted(len(steps), 'step')}: {reason}" for reason, count in reasons]
    return notes
