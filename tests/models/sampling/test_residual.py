"""Sampled residual networks: against dense networks with autograd, and the theory against them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch

from phasemap.models.activations import torch_activation
from phasemap.models.residual import ResidualCell
from phasemap.models.sampling.residual import ResidualSample, sample_residual_networks
from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.residual.recurrence import residual_recurrence
from phasemap.theory.residual.trace import ResidualTrace
from phasemap.theory.residual.widths import Widths, parse_widths

QUANTITIES = ("p", "q", "s", "e", "c", "chi", "chi_w", "chi_v", "chi_a", "chi_b", "chi_pi")
COSINES = ("e", "c")


def _dense(cell: ResidualCell, widths: Widths, name: str, networks: int, p0: float, gamma0: float) -> dict:
    """Networks with real weight matrices, differentiated by autograd: every quantity from its definition."""
    generator = torch.Generator().manual_seed(cell.seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(networks, *shape, generator=generator, dtype=torch.float64)

    phi, n = torch_activation(name).phi, widths.activation
    q = torch.linalg.qr(draw(n[0], 2))[0].mT * n[0] ** 0.5
    e = gamma0 / p0
    x = p0**0.5 * torch.stack([q[:, 0], e * q[:, 0] + (1 - e * e) ** 0.5 * q[:, 1]], 1)
    xs, hs, parameters = [x.requires_grad_()], [None], [{}]
    for layer in range(1, cell.depth + 1):
        m = widths.hidden[layer - 1]
        scale = {k: cell.deviation(k, layer) for k in "wbva"}
        own = {
            "w": scale["w"] * draw(n[layer - 1], m) / n[layer - 1] ** 0.5,
            "b": scale["b"] * draw(1, m),
            "v": scale["v"] * draw(m, n[layer]) / m**0.5,
            "a": scale["a"] * draw(1, n[layer]),
        }
        if n[layer] != n[layer - 1]:
            own["pi"] = draw(n[layer - 1], n[layer]) / n[layer - 1] ** 0.5
        for value in own.values():
            value.requires_grad_()
        h = x @ own["w"] + own["b"]
        x = phi(h) @ own["v"] + own["a"] + (x @ own["pi"] if "pi" in own else x)
        xs, hs, parameters = [*xs, x], [*hs, h], [*parameters, own]
    top = draw(n[-1])
    top = top / top.square().mean(1, keepdim=True).sqrt()
    leaves = [*xs, *(value for own in parameters for value in own.values())]
    # the loss is linear in the first input's output, so only that input's path carries gradient
    gradients = dict(zip(map(id, leaves), torch.autograd.grad((xs[-1][:, 0] * top).sum(), leaves), strict=True))
    found = {key: torch.full((networks, cell.depth + 1), torch.nan, dtype=torch.float64) for key in QUANTITIES}
    for layer, x in enumerate(xs):
        found["p"][:, layer] = x[:, 0].square().mean(1)
        found["s"][:, layer] = (x[:, 0] - x[:, 1]).square().mean(1) / 2
        found["e"][:, layer] = torch.cosine_similarity(x[:, 0], x[:, 1], dim=1)
        found["chi"][:, layer] = gradients[id(x)][:, 0].square().mean(1)
        for key, value in parameters[layer].items():
            found[f"chi_{key}"][:, layer] = gradients[id(value)].square().mean((1, 2))
        if layer:
            h = hs[layer]
            found["q"][:, layer] = h[:, 0].square().mean(1)
            found["c"][:, layer] = torch.cosine_similarity(h[:, 0], h[:, 1], dim=1)
    return {key: value.detach().numpy() for key, value in found.items()}


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_same_law_as_dense_networks_with_autograd(name: str) -> None:
    """Means, variances and one correlation across layers and directions, within 4 standard errors, at small widths."""
    cell = ResidualCell(depth=3, seed=5, sigma_w=1.2, sigma_a=0.5, beta_v=0.4, beta_b=0.3)
    widths, networks = parse_widths("20,20,14,14;24", 3), 3000
    dense = _dense(cell, widths, name, networks, 1.4, 0.6)
    sample = sample_residual_networks(cell, widths, name, networks=networks, p0=1.4, gamma0=0.6)

    def statistics(values: dict) -> dict[str, np.ndarray]:
        logs = {key: x if key in COSINES else np.log(x) for key, x in values.items()}
        centred = {key: x - x.mean(0) for key, x in logs.items()}
        products = {f"{key}²": x**2 for key, x in centred.items()}
        cross = {"p·chi": centred["p"][:, 3:] * centred["chi"][:, :2], "s·chi_w": centred["s"] * centred["chi_w"]}
        return logs | products | cross

    one, other = statistics(dense), statistics({key: sample.values(key) for key in QUANTITIES})
    for key in one:
        error = np.sqrt((one[key].var(0) + other[key].var(0)) / networks)
        exists = ~np.isnan(error)
        difference = np.abs(one[key].mean(0) - other[key].mean(0))
        assert exists.any()
        assert np.all(np.isnan(error) == np.isnan(difference))
        assert np.all(difference[exists] <= 4 * error[exists] + 1e-12), (key, difference / error)


WIDTHS = (256, 512, 1024)
LAYERS = (1, 4, 8, 12)
LAWS = {
    "plain": ({}, "{n}"),
    "variance variation": (
        {"sigma_v": 1.2, "sigma_b": 0.6, "beta_w": 0.5, "beta_v": 0.3, "beta_a": 0.8, "beta_b": 0.2},
        "{n}",
    ),
    "width variation": ({"sigma_a": 0.7, "beta_v": 0.2}, "{n}/2@4,9;{m}"),
}
P0, GAMMA0 = 1.0, 0.29


@lru_cache
def _samples(name: str, law: str, networks: int, doubled: bool = False) -> tuple[ResidualSample, ...]:
    options, text = LAWS[law]
    factors = {key: value * 2 if doubled and key.startswith("beta") else value for key, value in options.items()}
    return tuple(
        sample_residual_networks(
            ResidualCell(depth=LAYERS[-1], seed=n, **factors),
            parse_widths(text.format(n=n, m=n // 2), LAYERS[-1]),
            name,
            networks=networks,
            p0=P0,
            gamma0=GAMMA0,
        )
        for n in WIDTHS
    )


def _recurrence(name: str, law: str, doubled: bool = False) -> ResidualTrace:
    options, text = LAWS[law]
    factors = {key: value * 2 if doubled and key.startswith("beta") else value for key, value in options.items()}
    widths = parse_widths(text.format(n=1024, m=512), LAYERS[-1])
    return residual_recurrence(activation(name), LAYERS[-1], p0=P0, gamma0=GAMMA0, widths=widths, **factors)


def _extrapolated(samples: tuple[ResidualSample, ...], key: str, layer: int) -> tuple[float, float]:
    """Weighted linear regression in 1/N, at 1/N = 0, with its standard error; of log-means, but for the cosines.

    p, s and χ have heavy tails (products over layers), their logarithms do not; E log differs from log E by half the
    variance, which is O(1/N) and so goes to zero with the rest.
    """
    rows = [getattr(sample, key if key in COSINES else f"log_{key}")[:, layer] for sample in samples]
    mean = np.array([row.mean() for row in rows])
    error = np.array([row.std(ddof=1) / np.sqrt(len(row)) for row in rows])
    design = np.stack([np.ones(len(WIDTHS)), 1 / np.array(WIDTHS, dtype=float)], 1) / error[:, None]
    covariance = np.linalg.inv(design.T @ design)
    return float((covariance @ design.T @ (mean / error))[0]), float(np.sqrt(covariance[0, 0]))


def _scores(samples: tuple[ResidualSample, ...], trace: ResidualTrace) -> dict[tuple[str, int], float]:
    """Deviation of the extrapolated networks from the recurrence, in standard errors, wherever the quantity exists."""
    scores = {}
    for key in QUANTITIES:
        exact = getattr(trace, key if key in COSINES else f"log_{key}")
        sampled = getattr(samples[0], key if key in COSINES else f"log_{key}")
        for layer in (0, *LAYERS[:-1], 9, LAYERS[-1]):
            if np.isnan(exact[layer]) or np.ptp(sampled[:, layer]) < 1e-12:  # does not exist, or is prescribed
                continue
            value, error = _extrapolated(samples, key, layer)
            scores[key, layer] = (value - exact[layer]) / error
    return scores


@pytest.mark.parametrize(
    "name", ["tanh", "relu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("silu", "gelu", "softplus"))]
)
@pytest.mark.parametrize("law", LAWS)
def test_recurrences_are_the_networks_limit(name: str, law: str) -> None:
    """Every quantity at several depths, both passes, within 4 standard errors; true backpropagation (not Axiom 2)."""
    scores = _scores(_samples(name, law, 150), _recurrence(name, law))
    assert len({key for key, _ in scores}) == (11 if law == "width variation" else 10)
    assert len(scores) >= 40
    worst = max(scores, key=lambda place: abs(scores[place]))
    assert abs(scores[worst]) <= 4, (worst, scores[worst])
    # and the errors are honest: not all far smaller than claimed
    assert np.sqrt(np.mean(np.square(list(scores.values())))) > 0.4


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_the_data_tell_the_two_conventions_apart(name: str) -> None:
    """Sec. 4 of the paper prints a standard deviation σ·l^(−β), its theorems a variance.

    The former is a variance with 2β: networks with variance σ²·l^(−β) follow the recurrences, the others do not.
    """
    law = "variance variation"
    right = _scores(_samples(name, law, 150), _recurrence(name, law))
    printed = _scores(_samples(name, law, 150, doubled=True), _recurrence(name, law))
    assert max(abs(score) for score in right.values()) <= 4
    assert max(abs(score) for score in printed.values()) > 40
    doubled = _scores(_samples(name, law, 150, doubled=True), _recurrence(name, law, doubled=True))
    assert max(abs(score) for score in doubled.values()) <= 4


@pytest.mark.parametrize("name", ["tanh", "relu"])
@pytest.mark.parametrize(
    ("quantity", "misprint"),
    [
        ("c", "λ = σ_w²·λ̲ + σ_b² (Table A.2, Thm C.2)"),
        ("q", "q = σ_w²·p + σ_b² with p of the same layer (Table A.2)"),
        ("s", "s = (p + p′ − γ)/2 (Defn 4.2)"),
        ("chi_w", "χ_w with p of the same layer (Table A.2)"),
        ("chi_v", "χ_v = χ·Vφ′(q) (proof of C.3)"),
        ("chi_a", "χ_a = χ of the layer below (the underlines on χ in C.3)"),
    ],
)
def test_networks_reject_the_misprints(name: str, quantity: str, misprint: str) -> None:
    """Table A.2, Thms C.2, C.3 and Defn 4.2 as printed, against the same networks that confirm the corrected forms."""
    law, layer = "plain", 4
    trace = _recurrence(name, law)
    lambda_0, growth = GAMMA0, layer  # λ⁰ read as the inputs' product; each layer adds σ_b² = 1
    printed = {
        "c": (lambda_0 + growth) / trace.q[layer],
        "q": np.log(trace.p[layer] + 1),
        "s": np.log(trace.p[layer] - trace.gamma[layer] / 2),
        "chi_w": trace.log_chi_b[layer] + trace.log_p[layer],
        "chi_v": trace.log_chi[layer] + np.log(trace.v_derivative[layer]),
        "chi_a": trace.log_chi[layer - 1],
    }[quantity]
    value, error = _extrapolated(_samples(name, law, 150), quantity, layer)
    corrected = getattr(trace, quantity if quantity in COSINES else f"log_{quantity}")[layer]
    assert abs(value - corrected) <= 4 * error, misprint
    assert abs(value - printed) > 10 * error, misprint


def test_relu_forward_means_need_no_extrapolation() -> None:
    """For relu the maps of p and q are linear: their means are the recurrence's at any width, however narrow."""
    cell, widths = ResidualCell(depth=4, seed=3), parse_widths("16", 4)
    sample = sample_residual_networks(cell, widths, "relu", networks=6000)
    trace = residual_recurrence(activation("relu"), 4)
    for key in ("p", "q"):
        values = sample.values(key)[:, 1:]
        error = values.std(0) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(0) - getattr(trace, key)[1:]) <= 4 * error)


def test_any_depth_is_in_range() -> None:
    """relu at σ_w = 2 and 900 layers: p ~ 3^900 = 10^429 and χ as large, which no float holds."""
    cell = ResidualCell(depth=900, seed=0, sigma_w=2.0)
    sample = sample_residual_networks(cell, parse_widths("256", 900), "relu", networks=2)
    assert np.isfinite(sample.log_p).all()
    assert np.isfinite(sample.log_chi).all()
    assert sample.log_p[:, -1].min() > 720
    assert np.isinf(sample.values("p")[:, -1]).all()


def test_networks_do_not_depend_on_chunks() -> None:
    cell, widths = ResidualCell(depth=3, seed=1), parse_widths("32/2@2", 3)
    whole = sample_residual_networks(cell, widths, "tanh", networks=5)
    parts = sample_residual_networks(cell, widths, "tanh", networks=5, memory=1)
    np.testing.assert_allclose(whole.log_chi_w, parts.log_chi_w, rtol=1e-12)
    assert np.all(np.ptp(whole.log_p[:, 1:], axis=0) > 0)
    np.testing.assert_allclose(whole.e[:, 0], 0.5, rtol=1e-12)
    np.testing.assert_allclose(whole.log_p[:, 0], 0, atol=1e-12)


def test_a_width_of_one_is_a_width() -> None:
    """Halving often ends there; both inputs then lie on one line."""
    cell = ResidualCell(depth=6, seed=2)
    sample = sample_residual_networks(cell, parse_widths("16/2@1,2,3,4,5", 6), "tanh", networks=3)
    assert np.isfinite(sample.log_chi_w[:, 1:]).all()
    np.testing.assert_allclose(np.abs(sample.e[:, 6]), 1)


def test_mistakes_are_named() -> None:
    cell = ResidualCell(depth=3, seed=1)
    with pytest.raises(InputError, match="widths of 2 blocks"):
        sample_residual_networks(cell, parse_widths("8", 2), "tanh", networks=1)
    with pytest.raises(InputError, match="first width of at least 2"):
        sample_residual_networks(cell, parse_widths("1", 3), "tanh", networks=1)
    with pytest.raises(InputError, match="networks 0"):
        sample_residual_networks(cell, parse_widths("8", 3), "tanh", networks=0)
    with pytest.raises(InputError, match="unknown activation"):
        sample_residual_networks(cell, parse_widths("8", 3), "nope", networks=1)
