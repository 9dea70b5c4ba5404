"""Figures 1, A.1, A.2, B.3, B.4 of Deep Mean Field Theory: what is drawn is what the theory gives."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from phasemap.sweeps.figures.theory_only import vv_figures as vv_theory
from phasemap.theory.activations import activation
from phasemap.theory.residual.recurrence import residual_recurrence


def _meshes(figure: Figure) -> list[np.ndarray]:
    meshes = [ax.collections[0] for ax in figure.axes if ax.collections and isinstance(ax.collections[0], QuadMesh)]
    return [np.asarray(mesh.get_array()) for mesh in meshes if np.asarray(mesh.get_array()).size > 300]


@pytest.mark.parametrize(
    ("draw", "fixed", "swept"),
    [
        (vv_theory.draw_fig_a1, {}, ("beta_w", "beta_b")),
        (vv_theory.draw_fig_a2, {"beta_w": 2.0, "beta_b": 2.0}, ("beta_a",)),
    ],
    ids=["zig", "zag"],
)
def test_maps_hold_the_recurrence_at_every_depth(draw, fixed: dict, swept: tuple[str, ...]) -> None:
    figure = draw(depth=40, points=11)
    meshes = _meshes(figure)
    assert len(meshes) == 10
    # the cell at β = 1.2 and depth 30, computed by itself
    cell = residual_recurrence(activation("relu"), 30, p0=1.0, gamma0=0.29, **fixed, **dict.fromkeys(swept, 1.2))
    values = [mesh.reshape(40, 11)[29, 6] for mesh in meshes]
    assert values[3] == pytest.approx(cell.e[-1])
    chi_v = cell.log_chi_v[1] - cell.log_chi_v[-1]
    assert values[9] == pytest.approx(chi_v)
    log_p = cell.log_p[-1]
    assert values[0] == pytest.approx(vv_theory.squash(np.array([log_p]))[0] if "beta_w" in swept else log_p)


def test_squash_is_the_papers_where_it_is_defined() -> None:
    log = np.array([0.0, 3.0, -3.0])
    np.testing.assert_allclose(vv_theory.squash(log), [0, np.log(4), -np.log(4)])


def test_zig_contours_of_s_p_and_chi_coincide() -> None:
    """Fig. 2's caption: contours of s are almost those of p and of χ⁽⁰⁾/χ⁽ˡ⁾ where training is at risk (V_r < 1)."""
    betas = np.linspace(0, 0.9, 40)
    trace = residual_recurrence(activation("relu"), 200, beta_w=betas, beta_b=betas, gamma0=0.29)
    logs = [trace.log_p[:, 20:], trace.log_s[:, 20:], trace.log_gradient_ratio()[:, 20:]]
    ranks = [np.argsort(np.argsort(log.ravel())) for log in logs]
    correlation = np.corrcoef(ranks)
    assert correlation.min() > 0.99


@pytest.mark.slow
def test_b3_and_b4_draw_the_paper_s_lines() -> None:
    b3, b4 = vv_theory.draw_fig_b3(depth=2000), vv_theory.draw_fig_b4(depth=2000)
    assert len(b3.axes) == 3
    assert len(b4.axes) == 5
    for ax in [*b3.axes, *b4.axes]:
        solid = [line for line in ax.lines if line.get_linestyle() == "-"]
        dashed = [line for line in ax.lines if line.get_linestyle() != "-"]
        assert len(dashed) == len(solid)
    # in (a) of both the leading term is not shifted: its slope and height are the theorem's
    for ax in (b3.axes[0], b4.axes[0]):
        leading = ax.lines[1].get_ydata()
        np.testing.assert_allclose(leading, 0.5 / 0.8 * np.arange(1, 2001) ** 0.8)
        assert ax.lines[0].get_ydata()[-1] / leading[-1] == pytest.approx(1, abs=0.12)
    # every shifted line follows its solid one over the last half decade
    for ax in (b3.axes[1], *b4.axes[1:]):
        solid, dashed = ax.lines[0].get_ydata(), ax.lines[1].get_ydata()
        np.testing.assert_allclose(dashed[-1300:], solid[-1300:], rtol=0.04)


def test_bounded_limit() -> None:
    """log Π(1 + m^(−2)) = log(sinh(π)/π), whatever the number of terms summed one by one."""
    exact = np.log(np.sinh(np.pi) / np.pi)
    assert vv_theory.bounded_limit(1.0, 2.0) == pytest.approx(exact, abs=1e-12)
    assert vv_theory.bounded_limit(1.0, 2.0, terms=300) == pytest.approx(exact, abs=1e-12)


def test_fig1_means_follow_the_theory() -> None:
    """Width variation leaves the means and caps the gradient; deviations grow where the network is narrow."""
    figure = vv_theory.draw_fig1(networks=24, width=512, depth=40)
    p, e, chi, _ = figure.axes
    for ax in (p, e, chi):
        lines = [line for line in ax.lines if len(line.get_xdata()) == 41]
        sampled_with, theory_with, sampled_without, theory_without = (line.get_ydata() for line in lines)
        np.testing.assert_allclose(sampled_without, theory_without, rtol=0.05)
        np.testing.assert_allclose(sampled_with, theory_with, rtol=0.3)
    with_variation, without = chi.lines[1].get_ydata(), chi.lines[3].get_ydata()
    assert without[0] / with_variation[0] == pytest.approx(8)  # N⁰/N⁴⁰: halved at 16, 25, 36
    assert with_variation[16:].max() / with_variation[16:].min() < 3
