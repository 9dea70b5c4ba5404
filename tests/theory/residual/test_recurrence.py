"""The recurrences of Thms C.2 and C.3 against mpmath, against what they must imply, and their edges."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.residual.quantities import log_gradient_spread
from phasemap.theory.residual.record import record
from phasemap.theory.residual.recurrence import SCALINGS, residual_recurrence
from phasemap.theory.residual.widths import parse_widths
from tests.theory.residual import mean_field_mpmath as high

NAMES = ("p", "q", "gamma", "lambda", "s", "e", "c", "chi", "chi_w", "chi_v", "chi_a", "chi_b", "chi_pi")
SETTINGS = {
    "plain": ({"w": 1.0, "b": 1.0, "v": 1.0, "a": 1.0}, {"w": 0.0, "b": 0.0, "v": 0.0, "a": 0.0}),
    "decayed": ({"w": 1.3, "b": 0.7, "v": 0.9, "a": 0.4}, {"w": 0.6, "b": 1.1, "v": 0.3, "a": 0.8}),
    "growing": ({"w": 0.8, "b": 0.0, "v": 1.1, "a": 0.2}, {"w": -0.2, "b": 0.0, "v": 0.1, "a": 2.0}),
}


def _options(setting: str) -> dict[str, float]:
    sigma, beta = SETTINGS[setting]
    return {f"sigma_{k}": v for k, v in sigma.items()} | {f"beta_{k}": v for k, v in beta.items()}


def _compare(trace, exact: dict, rel: float) -> None:
    for name in NAMES:
        found = getattr(trace, "lambda_" if name == "lambda" else name)
        for layer, value in enumerate(exact[name]):
            if value is None:
                assert np.isnan(found[layer]), (name, layer)
            else:
                assert float(found[layer]) == pytest.approx(float(value), rel=rel), (name, layer)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("p0", "gamma0"), [(1.0, 0.29), (2.0, -1.3), (1.0, 1 - 2.0**-30)])
def test_relu_to_1e_10(setting: str, p0: float, gamma0: float) -> None:
    sigma, beta = SETTINGS[setting]
    widths = parse_widths("64/2@5,9,30;48", 60)
    trace = residual_recurrence(activation("relu"), 60, p0=p0, gamma0=gamma0, widths=widths, **_options(setting))
    exact = high.trace(
        high.relu(),
        60,
        sigma=sigma,
        beta=beta,
        p0=p0,
        gamma0=gamma0,
        widths=widths.activation,
        hidden=[0, *widths.hidden],
    )
    _compare(trace, exact, 1e-12)


@pytest.mark.parametrize("setting", ["plain", "decayed"])
def test_tanh_to_1e_10(setting: str) -> None:
    sigma, beta = SETTINGS[setting]
    trace = residual_recurrence(activation("tanh"), 3, gamma0=0.97, widths="9,9,6,3", **_options(setting))
    exact = high.trace(high.tanh(), 3, sigma=sigma, beta=beta, gamma0=0.97, widths=[9, 9, 6, 3])
    _compare(trace, exact, 1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("gamma0", [-0.4, 1 - 2.0**-30])
def test_tanh_to_1e_10_deeper(gamma0: float) -> None:
    sigma, beta = SETTINGS["decayed"]
    trace = residual_recurrence(activation("tanh"), 14, gamma0=gamma0, **_options("decayed"))
    exact = high.trace(high.tanh(26), 14, sigma=sigma, beta=beta, gamma0=gamma0)
    _compare(trace, exact, 1e-11)


def test_quadrature_and_closed_form_give_the_same_trace() -> None:
    """tanh(z/2) with doubled σ_w, σ_b is tanh; a scaled activation goes through quadrature at every layer."""
    by_quadrature = residual_recurrence(activation("tanh", scale=0.5), 12, sigma_w=2.0, sigma_b=2.0, beta_v=0.3)
    closed = residual_recurrence(activation("tanh"), 12, sigma_w=1.0, sigma_b=1.0, beta_v=0.3)
    for name in ("p", "s", "e", "c"):
        np.testing.assert_allclose(getattr(by_quadrature, name), getattr(closed, name), rtol=1e-10)
    # V_w·Vφ′ is the same by the chain rule, so χ is too
    np.testing.assert_allclose(by_quadrature.chi, closed.chi, rtol=1e-10)


def test_relu_beyond_floats() -> None:
    """V_r = 0, σ = 1, no biases: p = (3/2)^l exactly, and χ^(0)/χ^(l) too, at l where no float holds them."""
    trace = residual_recurrence(activation("relu"), 4000, sigma_a=0.0, sigma_b=0.0)
    layers = np.arange(4001)
    np.testing.assert_allclose(trace.log_p, layers * np.log(1.5), rtol=1e-12)
    np.testing.assert_allclose(trace.log_chi, layers[::-1] * np.log(1.5), rtol=1e-12)
    np.testing.assert_allclose(trace.log_chi_w[1:], trace.log_chi_w[1], rtol=1e-10)
    assert np.isinf(trace.p[-1])
    assert np.isfinite(trace.log_s).all()
    # ε = 1 − e: D = t/2 − q(2ε)^(3/2)/6π + … gives ε′ = ε − k·ε^(3/2), k = 2^(5/2)/18π, hence ε ~ (2/kl)²
    limit = (36 * np.pi / 2**2.5) ** 2
    assert trace.one_minus_e[-1] * 4000**2 == pytest.approx(limit, rel=0.03)
    np.testing.assert_allclose(trace.e + trace.one_minus_e, 1, rtol=1e-14)


def test_square_activation_overflows_to_infinity_not_to_an_error() -> None:
    trace = residual_recurrence(activation("alpha-relu", alpha=2.0), 14)
    assert np.isinf(trace.p[-1]) or np.isnan(trace.p[-1])
    assert np.isfinite(trace.p[:8]).all()


def test_squared_distance_survives_where_e_is_one_in_floats() -> None:
    """s = p − γ read off e would be 0; its own recurrence keeps 12 digits (compare mpmath at 50 digits)."""
    gamma0 = 1 - 2.0**-52
    options = _options("plain")
    trace = residual_recurrence(activation("tanh"), 200, gamma0=gamma0, **options)
    # for s → 0 tanh's gap is linear, D = t·Vφ′, so s^(l)/s^(0) = Π(1 + V_v·V_w·Vφ′) = χ^(0)/χ^(l)
    np.testing.assert_allclose(trace.log_s - np.log(2.0**-52), trace.log_gradient_ratio(), rtol=1e-9, atol=1e-12)
    assert trace.s[-1] < 1e-9


def test_width_variation_multiplies_the_gradient_and_nothing_else() -> None:
    """Sec. 6: forward unchanged; χ^(l) times N^(L)/N^(l), and χ_w, χ_b by N/M on top."""
    flat = residual_recurrence(activation("tanh"), 30)
    narrow = residual_recurrence(activation("tanh"), 30, widths="256/2@4,9,16,25;128/4@10")
    for name in ("p", "q", "s", "gamma", "lambda_"):
        np.testing.assert_array_equal(getattr(narrow, name), getattr(flat, name))
    assert narrow.widths is not None
    n, m = np.array(narrow.widths.activation), np.array([1, *narrow.widths.hidden])
    np.testing.assert_allclose(narrow.chi / flat.chi, n[-1] / n, rtol=1e-13)
    np.testing.assert_allclose((narrow.chi_w / flat.chi_w)[1:], (n[-1] / m)[1:], rtol=1e-13)
    np.testing.assert_allclose((narrow.chi_v / flat.chi_v)[1:], (n[-1] / n)[1:], rtol=1e-13)
    assert np.flatnonzero(~np.isnan(narrow.chi_pi)).tolist() == [4, 9, 16, 25]


def test_projection_variance_multiplies_what_it_carries() -> None:
    trace = residual_recurrence(activation("relu"), 2, sigma_v=0.0, sigma_a=0.0, sigma_pi=3.0, widths="8,4,4")
    np.testing.assert_allclose(trace.p, [1, 9, 9])
    np.testing.assert_allclose(trace.s, [0.5, 4.5, 4.5])
    np.testing.assert_allclose(trace.chi, [4.5, 1, 1])


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_a_grid_is_its_cells(name: str) -> None:
    beta_w, sigma_v = np.linspace(0, 2, 5)[:, None], np.array([0.5, 1.0, 2.0])
    grid = residual_recurrence(activation(name), 25, beta_w=beta_w, sigma_v=sigma_v, p0=1.3)
    assert grid.p.shape == (5, 3, 26)
    for i, j in ((0, 0), (4, 2), (2, 1)):
        cell = residual_recurrence(activation(name), 25, beta_w=beta_w[i, 0], sigma_v=sigma_v[j], p0=1.3)
        for field in ("p", "q", "s", "gamma", "e", "c", "chi", "chi_w", "chi_v", "chi_b"):
            np.testing.assert_allclose(getattr(grid, field)[i, j], getattr(cell, field), rtol=1e-13)


def test_ratios_do_not_depend_on_the_depth() -> None:
    deep = residual_recurrence(activation("tanh"), 40, beta_v=0.3)
    shallow = residual_recurrence(activation("tanh"), 15, beta_v=0.3)
    for parameter in ("", "w", "v", "a", "b"):
        np.testing.assert_allclose(
            deep.log_gradient_ratio(parameter)[:16], shallow.log_gradient_ratio(parameter), atol=1e-13
        )
    shallow_logs = shallow.log_chi_w[1:]
    assert shallow.log_gradient_spread("w")[-1] == pytest.approx(shallow_logs.max() - shallow_logs.min())
    assert deep.log_gradient_spread("w")[15] == pytest.approx(shallow.log_gradient_spread("w")[15])
    assert log_gradient_spread(deep)[15] == pytest.approx(log_gradient_spread(shallow)[15])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("relu", {"beta_w": 0.4}),
        ("tanh", {"sigma_a": 0.3, "beta_v": 0.5}),
        ("tanh", {"widths": "64/2@3,8,15;24"}),
        ("relu", {"sigma_b": 0.0, "depth_scaling_v": 1.0, "depth_scaling_w": 0.5}),
    ],
)
def test_gradient_spread_is_the_largest_over_the_smallest_gradient_by_a_parameter(name: str, options: dict) -> None:
    """Sec. 2, from its definition: over the parameters of all blocks, of every kind there is."""
    trace = residual_recurrence(activation(name), 20, gamma0=0.3, **options)
    for depth in (1, 7, 20):
        every = [getattr(trace, f"chi_{kind}")[1 : depth + 1] for kind in ("w", "v", "a", "b", "pi")]
        chi = np.concatenate([values[~np.isnan(values)] for values in every])
        assert chi.size == 4 * depth + int(trace.projection[:depth].sum())
        assert log_gradient_spread(trace)[depth] == pytest.approx(np.log(chi.max() / chi.min()), abs=1e-12)
        assert log_gradient_spread(trace)[depth] >= trace.log_gradient_spread("w")[depth]
    assert np.isnan(log_gradient_spread(trace)[0])


def test_gradient_spread_exists_beyond_floats_and_is_infinite_where_a_gradient_is_zero() -> None:
    """σ_a = σ_b = 0 and the others 1: χ_a^(1) = 1.5^(L−1) is the largest, χ_b^(L) = ½ the smallest. Between them lie
    χ_v and χ_w, ½·1.5^(L−1) in every layer."""
    depth = 2000
    trace = residual_recurrence(activation("relu"), depth, sigma_a=0.0, sigma_b=0.0)
    expected = (depth - 1) * np.log(1.5) - np.log(0.5)
    assert log_gradient_spread(trace)[-1] == pytest.approx(expected, rel=1e-12)
    assert record(trace)["gradient_spread"][-1] is None
    assert record(trace)["log_gradient_spread"][-1] == pytest.approx(expected, rel=1e-12)
    without = residual_recurrence(activation("tanh"), 5, sigma_v=0.0)
    assert np.isposinf(log_gradient_spread(without)[1:]).all()
    assert record(without)["log_gradient_spread"] == [None] * 6
    assert any("gradient_spread is infinite" in note for note in record(without)["notes"])


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_depth_scaling_is_a_smaller_sigma(name: str) -> None:
    """Variance σ²·L^(−δ): the same as σ·L^(−δ/2), also in a grid and in A of a width schedule."""
    sigma, delta = {"w": 1.1, "b": 0.6, "v": 1.3, "a": 0.8}, {"w": 0.5, "b": 0.25, "v": 1.0, "a": 2.0}
    given = {f"sigma_{k}": value for k, value in sigma.items()} | {"beta_w": 0.3, "beta_a": 0.2}
    for depth in (1, 9, 25):
        smaller = given | {f"sigma_{k}": value * depth ** (-delta[k] / 2) for k, value in sigma.items()}
        scaling = {f"depth_scaling_{k}": value for k, value in delta.items()}
        widths = "4096/exp(A)@n^2"
        scaled = residual_recurrence(activation(name), depth, widths=widths, **given, **scaling)
        plain = residual_recurrence(activation(name), depth, widths=widths, **smaller)
        grid = residual_recurrence(activation(name), depth, **given | {"sigma_v": np.array([0.5, 1.3])}, **scaling)
        assert scaled.widths == plain.widths
        for field in ("p", "q", "s", "e", "chi", "chi_w", "chi_v", "chi_b"):
            np.testing.assert_allclose(getattr(scaled, field), getattr(plain, field), rtol=1e-12)
        np.testing.assert_allclose(grid.p[1], plain.p, rtol=1e-12)


def test_without_depth_scaling_nothing_changes() -> None:
    given = {"sigma_v": 1.3, "beta_w": 0.3}
    zero = residual_recurrence(activation("tanh"), 30, **given, **dict.fromkeys(SCALINGS, 0.0))
    np.testing.assert_array_equal(zero.log_chi_w, residual_recurrence(activation("tanh"), 30, **given).log_chi_w)


@pytest.mark.parametrize("name", ["relu", "tanh", "leaky-relu", "erf"])
def test_equal_inputs_stay_equal(name: str) -> None:
    trace = residual_recurrence(activation(name), 20, p0=1.7, gamma0=1.7)
    np.testing.assert_array_equal(trace.s, 0)
    np.testing.assert_allclose(trace.e, 1, rtol=1e-15)
    np.testing.assert_array_equal(trace.log_s, -np.inf)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        residual_recurrence(activation("relu"), 0, sigma_w=-1.0, beta_v=np.nan, p0=0.0)
    text = str(caught.value)
    assert all(word in text for word in ("depth 0", "sigma_w -1.0", "beta_v nan", "p0 0.0"))
    with pytest.raises(InputError, match="gamma0 3"):
        residual_recurrence(activation("relu"), 2, gamma0=3)
    with pytest.raises(InputError, match="do not broadcast"):
        residual_recurrence(activation("relu"), 2, beta_w=np.ones(3), beta_v=np.ones(4))
    with pytest.raises(InputError, match="expected 3"):
        residual_recurrence(activation("relu"), 3, widths=parse_widths("8", 2))
