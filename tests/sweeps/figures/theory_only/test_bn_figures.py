"""The BN figures that need no training: what they show is right, and they draw at any scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from phasemap.sweeps.figures.draw_figure import draw_figure
from phasemap.sweeps.figures.theory_only import bn_depth_scale_maps as bn_maps
from phasemap.sweeps.figures.theory_only import bn_fig1, bn_fig2, bn_fig10, bn_relu30
from phasemap.sweeps.figures.theory_only import bn_small_batches as bn_uncommon
from phasemap.sweeps.figures.theory_only.bn_common import Scale
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError

TINY = {  # name: (networks, width), and what the small print has to say
    "bn-fig1d": (3, 24),
    "bn-fig2": (2, 280),
    "bn-small-batches": (3, 256),
    "bn-width-transition": (3, 100),
    "bn-relu30": (2, 12),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_sampled_figures_say_what_was_sampled(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, width = TINY[name]
    drawn: list[Figure] = []

    def keep(figure: Figure, *rest: object, **options: object) -> tuple[Path, Path]:
        drawn.append(figure)
        return tmp_path, tmp_path

    monkeypatch.setattr("phasemap.sweeps.figures.style.save", keep)
    draw_figure(name, out=tmp_path, networks=networks, width=width, seed=3)
    note = drawn[0].get_supxlabel()
    assert f"{networks} networks" in note
    assert "seed 3" in note
    assert str(width) in note or "of each width" in note
    if name != "bn-relu30":  # which says in its legend
        assert "float64" in note


def test_files_are_written_and_are_the_same_twice(tmp_path: Path) -> None:
    first = draw_figure("bn-fig10", out=tmp_path / "a")
    second = draw_figure("bn-fig10", out=tmp_path / "b", style="report")
    assert [path.name for path in first] == ["bn-fig10.png", "bn-fig10.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.stat().st_size > 5000
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "bn-fig11"}, "unknown figure 'bn-fig11': expected one of bn-fig1, "),
        ({"name": "bn-fig10", "networks": 5}, "--networks 5: bn-fig10 draws theory only"),
        ({"name": "bn-fig2", "networks": 1}, "--networks 1: expected at least 2"),
        ({"name": "bn-fig2", "networks": 2, "width": 100}, "width 100: orthogonal weights need"),
        ({"name": "bn-fig1b", "networks": 2, "width": 64}, "128 samples do not fit orthogonally into 64 dimensions"),
        ({"name": "bn-fig10", "style": "loud"}, "style"),
    ],
)
def test_bad_requests_are_one_clear_line(arguments: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        draw_figure(**arguments, out=tmp_path)
    assert message in caught.value.messages[0]


# Fig. 1


def test_inputs_have_the_fixed_points_spread() -> None:
    """So that the first layer grows like every other: (b) is a straight line down to layer 1."""
    profile = bn_fig1.measure_profiles(Scale(40, 256), (8,))[8]
    growth = -np.diff(profile, axis=1)
    rate = np.log(batchnorm_record(activation("relu"), 8)["backward"]["G"])
    error = growth.std(0) / np.sqrt(40)
    assert abs(growth[:, 0].mean() - rate) < 4 * error[0] + 5 / 256  # the deviation at width N is O(1/N)
    assert abs(growth.mean() - rate) < 4 * error.mean() / np.sqrt(39) + 5 / 256
    assert np.all(profile[:, -1] == 0)


def test_transition_is_where_networks_break_the_symmetry() -> None:
    edge = bn_fig1.transition(10)
    record = batchnorm_record(activation("alpha-relu", alpha=edge), 10)
    assert record["forward"]["L"] == pytest.approx(1, abs=1e-7)
    spreads, examples = bn_fig1.measure_breaking(Scale(8, 1000), (edge - 0.3, edge + 0.3), depth=30)
    below, above = spreads.values()
    assert below.diagonal.max() < 0.1 < 0.5 < above.diagonal.min()
    assert below.off_diagonal.max() < above.off_diagonal.min()
    sigma = examples[edge + 0.3]
    assert np.diagonal(sigma).mean() == pytest.approx(1)
    assert np.sort(np.diagonal(sigma))[3] < 0.05 < 2 < np.diagonal(sigma).max()  # a dominant block, the rest nearly 0


def test_measured_eigenvalues_belong_to_their_names() -> None:
    found = bn_fig1.measure_eigenvalues(Scale(40, 512), (8,))
    theory = batchnorm_record(activation("relu"), 8)["backward"]
    for part, (estimate,) in found.items():
        assert abs(estimate.value - theory[part]) < 4 * estimate.error + 20 / 512, part


# Fig. 2


def test_batches_of_the_circle_differ_in_one_point_and_span_three_dimensions() -> None:
    both = bn_fig2.circles(300, 0).numpy().reshape(2, 64, 300)
    moved = np.flatnonzero(np.abs(both[0] - both[1]).max(1) > 0)
    assert moved.tolist() == [32]
    radius = np.linalg.norm(both[0], axis=1) / np.sqrt(300)
    np.testing.assert_allclose(np.delete(radius, 32), 1)
    for batch in both:
        assert np.linalg.matrix_rank(batch - batch.mean(0)) == bn_fig2.DIMENSIONS


def test_principal_scores_keep_distances_of_planar_points() -> None:
    points = np.random.default_rng(0).standard_normal((7, 2)) @ np.random.default_rng(1).standard_normal((2, 9))
    scores = bn_fig2.principal_scores(points @ points.T)

    def distances(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, None] - x[None], axis=2)

    np.testing.assert_allclose(distances(scores), distances(points), atol=1e-6)


@pytest.mark.slow
def test_decorrelation_follows_the_dimensions_not_the_batch_size() -> None:
    """The slope of the logarithm once correlation is small, against λ_CB of 4 samples; that of 64 is far away."""
    correlation = bn_fig2.measure(Scale(12, 300)).correlation
    assert correlation[:, 0].min() > 0.99
    mean = correlation.mean(0)
    below, above = mean[13:19].sum(), mean[12:18].sum()
    pull = correlation[:, 13:19].sum(1) - below / above * correlation[:, 12:18].sum(1)
    error = pull.std(ddof=1) / np.sqrt(len(pull)) / above
    rates = {size: batchnorm_record(activation("identity"), size)["cross_batch"]["rate"] for size in (4, 64)}
    # corrections are cubic in the correlation, about 0.3 there: at most 2 % on a rate of 0.85
    assert abs(below / above - rates[4]) < 4 * error + 0.02
    assert abs(below / above - rates[64]) > 0.1


# Fig. 10


def test_coefficients_match_the_papers_closed_forms() -> None:
    size = np.array([5.0, 8, 10, 20, 50])
    gap = {k: bn_fig10.response_coefficient(size, k) - bn_fig10.norm_coefficient(size, k) for k in (1, 2, 3)}
    b = size
    np.testing.assert_allclose(gap[1], -2 * b / (1 + b), rtol=1e-12)
    np.testing.assert_allclose(gap[2], b * (b + 1) * (b * b - 9 * b + 12) / (2 * (b - 1) * (b + 3)), rtol=1e-11)
    third = (b - 3) * (b + 3) * b**2 * (2 * b**3 - 19 * b**2 + 16 * b + 13) / (6 * (b - 1) ** 2 * (b + 1) * (b + 5))
    np.testing.assert_allclose(gap[3], third, rtol=1e-11)
    for degree in range(2, 30):
        here = np.arange(10.0, 60)
        assert np.all(bn_fig10.response_coefficient(here, degree) >= bn_fig10.norm_coefficient(here, degree))


# Maps


@pytest.mark.parametrize("axis", ["GAMMA", "BETA", "EPS_TANH", "EPS_RELU"])
def test_maps_hold_the_depth_scale_of_their_cells(axis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    full = getattr(bn_maps, axis)
    small = replace(full, values=full.values[[0, 12, 25, -2, -1]])
    monkeypatch.setattr(bn_maps, "BATCH_SIZES", np.array([16, 64]))
    xi = bn_maps.measure(small)
    assert xi.shape == (5, 2)
    phi, eps = small.cell(float(small.values[1]))
    assert xi[1, 1] == pytest.approx(depth_scale(phi, 64, eps=eps).xi, rel=1e-9)
    ax = Figure().add_subplot()
    assert bn_maps.draw(xi, small, ax=ax) is ax
    words = {text.get_text() for text in ax.texts}
    assert ({"gradients vanish", "gradients explode"} <= words) == axis.startswith("EPS")


def test_critical_line_separates_exploding_from_vanishing() -> None:
    for axis in (bn_maps.EPS_TANH, bn_maps.EPS_RELU):
        critical = bn_maps.critical_line(axis)
        np.testing.assert_allclose(critical, 1.0)  # σ_w²·φ′(0)²
        phi, _ = axis.cell(1.0)
        assert depth_scale(phi, 16, eps=0.99).regime == "exploding"
        assert depth_scale(phi, 16, eps=1.01).regime == "vanishing"
    assert np.isnan(bn_maps.critical_line(bn_maps.GAMMA)).all()


def test_eigenvalue_panel_draws_all_six() -> None:
    ax = Figure().add_subplot()
    bn_maps.draw_eigenvalues(activation("relu"), ax=ax)
    labels = [line.get_label() for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert labels == ["λ_G↓", "λ_L↓", "λ_M↓", "λ_L↑", "λ_M↑", "λ_CB"]


# Uncommon regimes


def test_batch_of_two_passes_rounding_only_and_three_grows_with_the_width() -> None:
    found = bn_uncommon.measure_small_batches(Scale(20, 256))
    assert found.widths == (8, 16, 32, 64, 128, 256)
    assert found.two < np.log(1e-20)
    three = [rate.value for rate in found.rates[3]]
    assert three[-1] > 1.5 * three[0]
    limit = batchnorm_record(activation("relu"), 8)["backward"]["G"]
    assert found.rates[8][-1].value == pytest.approx(limit, rel=0.03)


def test_polynomials_of_theory_and_torch_are_one() -> None:
    import torch

    theory, layer = bn_uncommon.odd_polynomial()
    z = np.linspace(-3, 3, 31)
    tensor = torch.from_numpy(z)
    np.testing.assert_allclose(layer.phi(tensor).numpy(), theory.phi(z), rtol=1e-9, atol=1e-9)
    slope = layer.backward(torch.ones_like(tensor), tensor, tensor).numpy()
    np.testing.assert_allclose(slope, theory.derivative(z), rtol=1e-9, atol=1e-8)
    step = 1e-6
    numeric = (theory.phi(z + step) - theory.phi(z - step)) / (2 * step)
    np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-3)


def test_narrow_networks_leave_an_attracting_bsb1() -> None:
    """App. J: C₅ − C₇ at B = 10. In the mean field BSB1 attracts; width 100 leaves it in 20 layers, 3000 does not."""
    theory, _ = bn_uncommon.odd_polynomial()
    record = batchnorm_record(theory, 10)
    assert record["stable"]
    assert record["forward"]["L"] < 0.7
    spreads = bn_uncommon.measure_transition(Scale(20, 1000), depth=20)
    left = {width: float((spread[:, -1] > bn_uncommon.BROKEN).mean()) for width, spread in spreads.items()}
    assert left[100] >= 0.5
    assert left[3000] <= 0.1
    assert left[100] > left[1000] >= left[3000]


def test_gradients_of_relu30_are_rounding_in_floating_point() -> None:
    """Remark K.7, and what it leaves open: exactly computed, they vanish at the rate of App. K.1's formula."""
    profiles, diagonals = bn_relu30.measure(5, 32, 0, depth=9)
    # Thm K.5: one sample has about φ(√5)²/2 = 5³⁰/2, the others 5⁻³⁰/2 (half of the units: 5 sd of a binomial)
    top = np.sort(diagonals, axis=1)
    np.testing.assert_allclose(top[:, -1] / 5.0**30, 0.5, atol=5 * 0.5 / np.sqrt(32))
    np.testing.assert_allclose(top[:, :-1] * 5.0**30, 0.5, atol=5 * 0.5 / np.sqrt(32))
    # the upper half of the layers is at the fixed point
    slope = {name: float(np.median(np.diff(each[:, 5:], axis=1))) for name, each in profiles.items()}
    assert slope["150 digits"] == pytest.approx(-bn_relu30.predicted_slope(32), abs=1.5)
    assert slope["float64"] < slope["150 digits"] - 5
    assert slope["float32"] < slope["float64"] - 10
    # what is left scales with the square of the dtype's resolution
    resolution = 2 * np.log10(np.finfo(np.float32).eps / np.finfo(np.float64).eps)
    assert slope["float64"] - slope["float32"] == pytest.approx(resolution, abs=2)
