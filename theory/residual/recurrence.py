"""Mean field recurrences of residual networks with variance and width variation (Thms C.2 and C.3).

Block l: x = v·φ(h) + a + x̲ with h = w·x̲ + b, where x̲ is the previous activation, or π·x̲ + … where the width changes.
The entries of w, b, v, a, π are independent normals of variances V_w/N̲, V_b, V_v/M, V_a, V_π/N̲ with

    V_• = σ_•²·l^(−β_•)·L^(−δ_•)  (a variance: the paper's Sec. 4 says standard deviation, its theorems and networks
    do not).

δ_•, the exponent ``depth_scaling_•`` of the network's own depth L, is not in the paper, whose δ is 0. Fixup, DeepNorm
and stable residual networks scale their blocks this way (docs/theory-resnet.md).

Forward, for two inputs of equal length, as ⟨·⟩ over networks of infinite width:

    q = V_w·p̲ + V_b          t = q − λ = V_w·s̲          λ = V_w·γ̲ + V_b
    p = V_v·Vφ(q) + V_a + p̲   s = p − γ = V_v·Dφ(q, t) + s̲   γ = V_v·Wφ(q, λ) + V_a + γ̲

s and γ each have their own recurrence, so neither is lost by cancellation as e → 1 or e → 0. Backward, from χ^(L) = 1:

    χ̲/χ = (N/N̲)·(V_v·V_w·Vφ′(q) + V_π)  at a projection,   V_v·V_w·Vφ′(q) + 1  elsewhere.

For φ of degree 1 the forward state is kept as mantissa and binary exponent, so p may grow beyond any float.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from phasemap.theory.activations import as_activation
from phasemap.theory.arguments.arrays import numbers
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.gaussian_moments import Array
from phasemap.theory.integrals.gaussian_transforms import transforms
from phasemap.theory.ranges import wrong
from phasemap.theory.residual.trace import ResidualTrace
from phasemap.theory.residual.widths import Widths, gradient_growth_rate, parse_widths

SCALINGS = ("depth_scaling_w", "depth_scaling_b", "depth_scaling_v", "depth_scaling_a")
Values = Any  # a number, or an array of them
RESCALE = 300  # binary orders of magnitude between two rescalings


def residual_recurrence(
    activation: Any,
    depth: Any,
    *,
    sigma_w: Values = 1.0,
    sigma_b: Values = 1.0,
    sigma_v: Values = 1.0,
    sigma_a: Values = 1.0,
    beta_w: Values = 0.0,
    beta_b: Values = 0.0,
    beta_v: Values = 0.0,
    beta_a: Values = 0.0,
    depth_scaling_w: Values = 0.0,
    depth_scaling_b: Values = 0.0,
    depth_scaling_v: Values = 0.0,
    depth_scaling_a: Values = 0.0,
    p0: Values = 1.0,
    gamma0: Values = 0.5,
    sigma_pi: float = 1.0,
    widths: Widths | str | None = None,
) -> ResidualTrace:
    """All mean field quantities for l = 0, …, depth, at every point of a grid in one pass.

    With every δ = 0, forward quantities and the ratios χ^(1)/χ^(l) at layer l do not depend on the depth beyond l, so
    one call with the greatest depth serves a whole depth axis. With δ ≠ 0 each depth is another network.

    Args:
        activation: φ, from ``phasemap.theory.activations.activation``, or its name.
        depth: L, the number of residual blocks.
        sigma_*, beta_*, depth_scaling_*: variance σ²·l^(−β)·L^(−δ) of each parameter; scalars or arrays that broadcast
            to the grid's shape.
        p0, gamma0: ⟨x²⟩ and ⟨x·x′⟩ of layer 0, per coordinate; scalars or arrays likewise.
        sigma_pi: of the projection matrices (the paper's is 1).
        widths: None for constant widths, a schedule (``phasemap.theory.residual.widths``), or its text.

    Returns:
        ResidualTrace with arrays [*grid, depth + 1].

    Raises:
        InputError: one line for each parameter out of range.

    Source: Thms C.2 and C.3, Deep Mean Field Theory, as corrected in docs/errata-resnet.md.
    """
    sigmas = {"sigma_w": sigma_w, "sigma_b": sigma_b, "sigma_v": sigma_v, "sigma_a": sigma_a}
    betas = {"beta_w": beta_w, "beta_b": beta_b, "beta_v": beta_v, "beta_a": beta_a}
    deltas = zip(SCALINGS, (depth_scaling_w, depth_scaling_b, depth_scaling_v, depth_scaling_a), strict=True)
    given = {**sigmas, **betas, **dict(deltas), "p0": p0, "gamma0": gamma0}
    mistakes = check_parameters(given, depth, widths, sigma_pi)
    if mistakes:
        raise InputError(*mistakes)
    depth, values = int(depth), {name: numbers(name, value) for name, value in given.items()}
    schedule = _schedule(widths, depth, values)
    grid = np.broadcast_shapes(*(value.shape for value in values.values()))
    points = grid or (1,)
    projection = np.zeros(depth, bool) if schedule is None else np.array(schedule.projection)
    activation = as_activation(activation)
    rule = transforms(activation)
    rescaled = activation.degree == 1

    def empty() -> Array:
        return np.full((depth + 1, *points), np.nan)  # layers first while filling, so that each write is contiguous

    p, q, s, t, gamma, lam = empty(), empty(), empty(), empty(), empty(), empty()
    v_phi, v_derivative = empty(), empty()
    exponent = np.zeros((depth + 1, *points), int)
    variance = {x: _variances(_scaled(values, x, depth), values[f"beta_{x}"], depth, points) for x in "wbva"}
    p[0], gamma[0] = values["p0"], values["gamma0"]
    s[0] = p[0] - gamma[0]
    state = np.stack([p[0], s[0], gamma[0]])
    with np.errstate(over="ignore", invalid="ignore"):  # p of other φ may leave the floats: inf, and null when printed
        for layer in range(1, depth + 1):
            exponent[layer] = exponent[layer - 1]
            if rescaled:
                step = np.frexp(state[0])[1]
                step = np.where(np.abs(step) > RESCALE, step, 0)
                state, exponent[layer] = np.ldexp(state, -step), exponent[layer] + step
            bias = {name: np.ldexp(variance[name][layer], -exponent[layer]) for name in "ba"}
            q[layer], t[layer], lam[layer] = variance["w"][layer] * state
            q[layer] += bias["b"]
            lam[layer] += bias["b"]
            moments = rule(q[layer], t[layer], lam[layer])
            if projection[layer - 1]:
                state = state * sigma_pi**2
            added = np.stack([moments.v, moments.gap, moments.w]) * variance["v"][layer]
            added[[0, 2]] += bias["a"]
            state = state + added
            p[layer], s[layer], gamma[layer] = state
            v_phi[layer], v_derivative[layer] = moments.v, moments.v_derivative

    def last(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(array, 0, -1)).reshape(*grid, depth + 1)

    return ResidualTrace(
        depth=depth,
        widths=schedule,
        projection=projection,
        sigma_pi=sigma_pi,
        variance_w=last(variance["w"]),
        variance_v=last(variance["v"]),
        exponent=last(exponent),
        p_mantissa=last(p),
        q_mantissa=last(q),
        s_mantissa=last(s),
        t_mantissa=last(t),
        gamma_mantissa=last(gamma),
        lambda_mantissa=last(lam),
        v_phi_mantissa=last(v_phi),
        v_derivative=last(v_derivative),
    )


def _scaled(values: Mapping[str, Array], parameter: str, depth: int) -> Array:
    """σ·L^(−δ/2): what is σ in a network of this depth."""
    return np.asarray(values[f"sigma_{parameter}"] * depth ** (-values[f"depth_scaling_{parameter}"] / 2))


def _variances(sigma: Array, beta: Array, depth: int, points: tuple[int, ...]) -> Array:
    """σ²·l^(−β) at l = 0 (NaN: layer 0 has no parameters), 1, …, depth; shape [depth + 1, *points]."""
    layers = np.concatenate([[np.nan], np.arange(1.0, depth + 1)]).reshape(-1, *(1 for _ in points))
    return np.broadcast_to(sigma, points) ** 2 * layers ** -np.broadcast_to(beta, points)


def check_parameters(
    given: Mapping[str, Any], depth: Any, widths: Widths | str | None = None, sigma_pi: float = 1.0
) -> list[str]:
    """One line for each mistake in the arguments of ``residual_recurrence``; an empty list if there is none."""
    values = {name: numbers(name, value) for name, value in given.items()}
    mistakes = wrong("depth", depth)
    for name, value in values.items():
        if name.startswith("sigma") and np.any(value < 0):
            mistakes.append(f"{name} {given[name]}: expected a standard deviation of at least 0")
        elif name != "p0" or not np.any(value <= 0):
            mistakes += [line for end in _ends(value) for line in wrong(name, end)][:1]
    if np.any(values["p0"] <= 0):
        mistakes.append(f"p0 {given['p0']}: expected a mean square greater than 0")
    elif np.any(np.abs(values["gamma0"]) > values["p0"]):
        mistakes.append(f"gamma0 {given['gamma0']}: expected a number from −p0 to p0 = {given['p0']}")
    mistakes += wrong("sigma_pi", sigma_pi)
    try:
        np.broadcast_shapes(*(value.shape for value in values.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in values.items() if value.ndim)
        mistakes.append(f"shapes do not broadcast: {shapes}")
    if not mistakes:
        try:
            _schedule(widths, int(depth), values)
        except InputError as error:
            mistakes += error.messages
    return mistakes


def _ends(value: Array) -> list[float]:
    """The smallest and the largest number, and the one nearest to 0 that is not 0."""
    nearest = np.abs(value[value != 0])
    return [float(value.min()), float(value.max()), *([float(nearest.min())] if nearest.size else [])]


def _schedule(widths: Widths | str | None, depth: int, values: Mapping[str, Array]) -> Widths | None:
    if isinstance(widths, str):
        sigmas = [_scaled(values, name, depth) for name in "vwa"]
        rate = gradient_growth_rate(*(float(sigma) for sigma in sigmas)) if all(x.ndim == 0 for x in sigmas) else None
        widths = parse_widths(widths, depth, rate=rate)
    if widths is not None and widths.depth != depth:
        raise InputError(f"widths of {widths.depth} blocks; expected {depth} (the depth)")
    return widths
