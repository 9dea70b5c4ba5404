"""Lengths, covariances and gradients of random plain networks, extrapolated to infinite width, are the theory's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from phasemap.models.sampling.mlp import MLPSample, sample_mlps
from phasemap.models.sampling.rates import extrapolate, mean_of
from phasemap.theory.activations import activation
from phasemap.theory.mlp.transients import transient

LAYERS, C0 = 5, 0.6
WIDTHS = (64, 128, 256)


def points(count: int) -> list[dict[str, Any]]:
    """Settings of both phases, with and without dropout and layer normalisation."""
    rng, found = np.random.default_rng(3), []
    for number in range(count):
        setting = {"sigma_w": float(rng.uniform(0.7, 2.3)), "sigma_b": float(rng.choice([0, rng.uniform(0.05, 0.7)]))}
        setting["keep"] = float(rng.choice([1, 1, 0.9, 0.7]))
        setting["name"] = ["tanh", "relu", "erf", "tanh", "gelu", "sin"][number % 6]
        setting["eps"] = [None, None, 0.0, 0.2][number % 4]
        found.append(setting)
    return found


def at_infinite_width(samples: list[MLPSample], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error over the layers, by a weighted line in 1/N."""
    values = [getattr(sample, name) for sample in samples]
    lines = [extrapolate(WIDTHS, [mean_of(value[:, layer]) for value in values]) for layer in range(values[0].shape[1])]
    return np.array([line.value for line in lines]), np.array([line.error for line in lines])


def distances(setting: dict[str, Any], networks: int) -> np.ndarray:
    """How many standard errors the theory is away, for every quantity and layer."""
    setting = dict(setting)
    phi, eps = activation(setting.pop("name")), setting.pop("eps")
    samples = [sample_mlps(phi, networks=networks, width=n, layers=LAYERS, eps=eps, c0=C0, **setting) for n in WIDTHS]
    norm = {} if eps is None else {"norm": "layer", "eps": eps}
    theory = transient(phi, LAYERS, c0=C0, **setting, **norm)
    wanted = {"q": theory.q[1:], "covariance": (theory.q * theory.c)[1:], "gradient": theory.chi[1:-1]}
    found = []
    for name, values in wanted.items():
        limit, error = at_infinite_width(samples, name)
        assert np.all(error < 0.08 * np.maximum(np.abs(values), theory.q[1:].max() if name != "gradient" else 0.0))
        found.append((limit - values) / error)
    return np.concatenate(found)


@pytest.mark.parametrize("setting", points(4), ids=str)
def test_a_few_points(setting: dict[str, Any]) -> None:
    assert np.abs(distances(setting, 40)).max() < 4


@pytest.mark.slow
def test_thirty_six_points() -> None:
    found = np.array([distances(setting, 120) for setting in points(36)])
    assert np.abs(found).max() < 4
    assert 0.8 < found.std() < 1.2  # the errors are what they say


@pytest.mark.slow
def test_dropouts_factor_and_layer_normalisations_are_resolved() -> None:
    """Without 1/ρ in the length map, with it in the covariance, or without ε, the theory is many errors away."""
    phi, setting = activation("tanh"), {"sigma_w": 1.5, "sigma_b": 0.3}
    dropout = [sample_mlps(phi, networks=200, width=n, layers=LAYERS, c0=C0, keep=0.7, **setting) for n in WIDTHS]
    norm = [sample_mlps(phi, networks=200, width=n, layers=LAYERS, c0=C0, eps=0.5, **setting) for n in WIDTHS]
    without = transient(phi, LAYERS, c0=C0, **setting)
    at_zero = transient(phi, LAYERS, c0=C0, norm="layer", **setting)
    right = transient(phi, LAYERS, c0=C0, keep=0.7, **setting)
    for samples, name, wrong in (
        (dropout, "q", without.q[2:]),
        (dropout, "gradient", right.chi[1:-1] * 0.7),
        (dropout, "covariance", (right.q * right.c)[2:] / 0.7),
        (norm, "gradient", at_zero.chi[1:-1]),
        (norm, "q", at_zero.q[2:]),
    ):
        limit, error = at_infinite_width(samples, name)
        assert (np.abs(limit[-len(wrong) :] - wrong) / error[-len(wrong) :]).max() > 10
