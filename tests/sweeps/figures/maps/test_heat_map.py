"""The heat map: true edges, outcomes told apart, lines that do not stretch the axis, files that are the same twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline

from phasemap.sweeps.figures import style
from phasemap.sweeps.figures.maps import heat_map
from phasemap.sweeps.figures.maps.legend import legend_handles
from phasemap.sweeps.figures.maps.words import TITLES, caption
from phasemap.sweeps.overlays.catalogue import theory_of
from phasemap.sweeps.phase_map import from_results as phase_map
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.squares import outcome_counts, summarise
from phasemap.sweeps.verdict.depth_scale import assess
from phasemap.theory.errors import InputError
from tests.sweeps.synthetic import CHANCE, a_map, a_prediction, content, results, tile_parameters

SIZES = (6, 8, 12, 16, 32, 64)


def xi(batch_size: float) -> float:
    return 2.5 * (1 - 3 / batch_size)


def some_failures(cell: dict) -> str:
    if cell["depth"] == 60:
        return "diverged" if cell["batch_size"] == 6 else ("dead" if cell["batch_size"] == 8 else "finished")
    return "diverged" if (cell["depth"], cell["batch_size"], cell["seed"]) == (55, 12, 0) else "finished"


def failing_map():
    contents, expected = results(SIZES, outcome=some_failures)
    given_up = [cell for cell in expected if cell["batch_size"] == SIZES[-1] and cell["depth"] > 40]
    # a result that another source has after all counts
    return phase_map.build(contents[:-1], expected, {}, failed_cells=[*given_up, expected[0]])


def squares_of(patches: PatchCollection) -> int:
    """How many closed shapes: all of a kind are one path."""
    return sum(int((path.codes == Outline.CLOSEPOLY).sum()) for path in patches.get_paths())


def mesh_of(ax: Axes) -> QuadMesh:
    return next(artist for artist in ax.collections if isinstance(artist, QuadMesh))


def test_edges_are_halfway_on_the_axis_own_scale() -> None:
    built = a_map((4, 16, 64))
    np.testing.assert_allclose(map_axis(built, "x").edges, [2, 8, 32, 128])
    linear = a_map((4, 16, 64), x_scale="linear")
    np.testing.assert_allclose(map_axis(linear, "x").edges, [-2, 10, 40, 88])
    assert map_axis(a_map((16,)), "x").edges[0] < 16 < map_axis(a_map((16,)), "x").edges[1]


def test_a_log_axis_with_a_zero_is_drawn_linear() -> None:
    tiles = [tile_parameters(x_axis="beta", beta=[0.0, 1.0, 2.0])]
    built = phase_map.build([content(tiles[0], lambda cell: 30.0)], None)
    assert map_axis(built, "x").scale == "linear"


def test_the_colours_are_the_seed_means_on_fixed_limits() -> None:
    built = a_map(SIZES, noise=0.02)
    ax = heat_map.draw(built, None)
    mesh = mesh_of(ax)
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 1)
    np.testing.assert_allclose(mesh.get_array(), built["test_accuracy"].mean("seed").values)
    loss = mesh_of(heat_map.draw(built, None, metric="test_loss"))
    assert loss.norm.vmax == pytest.approx(np.log(1 / CHANCE))


def test_missing_failed_diverged_and_dead_look_different_from_each_other_and_from_any_accuracy() -> None:
    ax = heat_map.draw(failing_map(), None, ids="m")
    drawn = {tuple(one.get_facecolor()[0]): one for one in ax.collections if "-state-" in (one.get_gid() or "")}
    assert set(drawn) == {to_rgba(colour) for colour in style.OUTCOME_COLOURS.values()}
    counts = {name: squares_of(drawn[to_rgba(style.OUTCOME_COLOURS[name])]) for name in style.OUTCOME_COLOURS}
    assert counts == {"diverged": 1, "dead": 1, "missing": 8, "failed": 4}
    hatches = {one.get_hatch() for one in drawn.values()}
    assert len(hatches) == 4
    ramp = matplotlib.colormaps[style.COLOUR_MAP](np.linspace(0, 1, 256))[:, :3]
    for colour in drawn:
        assert np.abs(ramp - np.array(colour[:3])).max(axis=1).min() > 0.15


def test_squares_summarise_their_seeds() -> None:
    cells = summarise(failing_map(), "test_accuracy")
    built = failing_map()
    i, j = list(built["depth"].values).index(55), list(built["batch_size"].values).index(12)
    values = [CHANCE, *built["test_accuracy"].values[i, j, 1:]]
    assert cells.mean[i, j] == pytest.approx(np.mean(values))
    assert cells.sd[i, j] == pytest.approx(np.std(values, ddof=1))
    assert np.argwhere(cells.partly_failed).tolist() == [[i, j]]
    loss = summarise(built, "test_loss")
    assert loss.mean[i, j] == pytest.approx(float(built["test_loss"][i, j, 1:].mean()))
    assert outcome_counts(built) == {"finished": 173, "diverged": 4, "dead": 3, "missing": 24, "failed": 12}


def test_lines_and_frontier_lie_where_the_numbers_say_and_the_axis_is_not_stretched() -> None:
    built = a_map(SIZES)
    agreement = assess(built, prediction=a_prediction(built, xi))
    ax = heat_map.draw(built, agreement, ids="m")
    lines = {line.get_gid(): line for line in ax.lines}
    theory = lines["m-theory"]
    np.testing.assert_allclose(theory.get_ydata(), 16 * np.array([xi(x) for x in theory.get_xdata()]))
    assert agreement.kappa is not None
    np.testing.assert_allclose(lines["m-fit"].get_ydata(), np.array(theory.get_ydata()) * agreement.kappa / 16)
    np.testing.assert_allclose(lines["m-frontier-0"].get_ydata(), agreement.frontier.depth)
    far = assess(built, prediction=a_prediction(built, lambda size: 50.0))
    for ax_far in (heat_map.draw(built, far), ax):
        assert ax_far.get_ylim() == (2.5, 62.5)
        np.testing.assert_allclose(ax_far.get_xlim(), map_axis(built, "x").edges[[0, -1]])


def test_labels_are_on_the_map_and_say_where_a_line_is_that_is_not() -> None:
    built = a_map(SIZES)
    inside = heat_map.draw(built, assess(built, prediction=a_prediction(built, xi)))
    texts = {text.get_text() for text in inside.texts}
    assert "16 ξ" in texts
    assert any(text.startswith("fitted ") for text in texts)
    beyond = heat_map.draw(built, assess(built, prediction=a_prediction(built, lambda size: 50.0)))
    assert "16 ξ ↑ deeper than the map" in {text.get_text() for text in beyond.texts}


def test_censored_columns_get_a_triangle_at_the_edge() -> None:
    deep = {6: -90.0, 8: 300.0, 12: 30.0, 16: 30.0, 32: 30.0, 64: 30.0}
    built = a_map(SIZES, frontier=lambda cell: deep[cell["batch_size"]])
    ax = heat_map.draw(built, assess(built, prediction=a_prediction(built, xi)), ids="m")
    markers = {
        line.get_marker(): list(line.get_xdata()) for line in ax.lines if (line.get_gid() or "").startswith("m-fr")
    }
    assert markers == {"o": [12, 16, 32, 64], "v": [6], "^": [8]}


def test_categories_get_level_steps_and_no_contours() -> None:
    tiles = [tile_parameters(x_axis="activation", activation=name, eps=0.0) for name in ("tanh", "relu")]
    built = phase_map.build([content(tile, lambda cell: 30.0) for tile in tiles], None)
    agreement = assess(built)
    assert theory_of(built).fields() == ()
    ax = heat_map.draw(built, agreement, ids="m")
    heights = next(line for line in ax.lines if line.get_gid() == "m-theory").get_ydata()
    np.testing.assert_allclose(heights.reshape(2, 4)[:, :3], 16 * np.tile(agreement.prediction.xi[:, None], 3))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["relu", "tanh"]


def test_the_published_figure_shows_both_modes_and_what_it_depends_on(tmp_path: Path) -> None:
    built = failing_map()
    agreements = {m: assess(built, m, prediction=a_prediction(built, xi)) for m in heat_map.BOTH_MODES}
    figure = heat_map.panels(built, agreements)
    assert [ax.get_title() for ax in figure.axes[:2]] == [TITLES[m] for m in heat_map.BOTH_MODES]
    words = caption(built)
    for part in ("bn-fig3a", "digits", "1437", "3 seeds", "float32", "600 steps", "Σ lr = 6"):
        assert part in words
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["frontier", "diverged", "dead", "missing", "failed", "some seeds diverged or dead"]
    png, pdf = style.save(figure, tmp_path / "a" / "bn-fig3a")
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert pdf.read_bytes()[:4] == b"%PDF"
    again = style.save(heat_map.panels(built, agreements), tmp_path / "b" / "bn-fig3a")
    assert [png.read_bytes(), pdf.read_bytes()] == [file.read_bytes() for file in again]


@pytest.mark.parametrize(("panels", "width"), [(2, 6.75), (1, 3.25)])
def test_the_paper_style_has_a_columns_width_and_embedded_serif_fonts(
    panels: int, width: float, tmp_path: Path
) -> None:
    figure = heat_map.panels(a_map(SIZES), {}, look=style.Look.of("paper", panels, None))
    assert figure.get_size_inches()[0] == width
    _, pdf = style.save(figure, tmp_path / "map", "paper")
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()
    assert b"STIXGeneral" in pdf.read_bytes()


def test_a_paper_has_no_line_above_and_the_frontier_only_on_request() -> None:
    built = a_map(SIZES)
    agreements = {metric: assess(built, metric) for metric in heat_map.BOTH_MODES}
    for panels in (1, 2):
        plain = heat_map.panels(built, agreements, look=style.Look.of("paper", panels, None))
        asked = heat_map.panels(built, agreements, look=style.Look.of("paper", panels, True))
        assert plain.get_suptitle() == ""
        assert len(plain.axes) == panels + 1  # and the colour bar
        for bare, whole in zip(plain.axes[:panels], asked.axes[:panels], strict=True):
            assert len(bare.lines) == 1  # 16 ξ
            assert len(whole.lines) == 3
        assert not plain.legends
        assert [text.get_text() for text in asked.legends[0].get_texts()] == ["frontier"]
    assert heat_map.panels(built, agreements).get_suptitle()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("poster", 2, None), "--style poster: expected one of report, paper"),
        (("paper", 3, None), "--panels 3: expected 1 or 2"),
    ],
)
def test_another_look_is_told(given: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        style.Look.of(*given)


def test_drawing_leaves_matplotlibs_global_state_alone() -> None:
    before = dict(matplotlib.rcParams)
    heat_map.panels(a_map(SIZES), {})
    assert dict(matplotlib.rcParams) == before
    code = "import sys, phasemap.sweeps.report; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_axes_that_is_given_is_drawn_on() -> None:
    ax = Figure().add_subplot()
    assert heat_map.draw(a_map(SIZES), None, ax=ax, colour_bar=False) is ax


def eps_map(values: tuple[float, ...] = (0.01, 0.1, 0.5, 2.0, 4.0, 10.0), frontier: Any = lambda cell: 30.0):
    tiles = [tile_parameters(experiment="bn-fig5c", activation="tanh", x_axis="eps", eps=eps) for eps in values]
    return phase_map.build([content(tile, frontier) for tile in tiles], None)


def test_both_sides_of_the_critical_eps_are_drawn_and_named() -> None:
    built = eps_map()
    agreement = assess(built)
    assert agreement.prediction.critical_x == pytest.approx([1.0])  # φ'(0)² of tanh, although no column is there
    ax = heat_map.draw(built, agreement, ids="m")
    lines = {line.get_gid(): line for line in ax.lines}
    assert list(lines["m-theory-critical-0"].get_xdata()) == pytest.approx([1.0, 1.0])
    texts = {text.get_text(): text for text in ax.texts}
    assert "critical ε = 1" in texts
    named = {regime: text for words, text in texts.items() for regime in ("exploding", "vanishing") if regime in words}
    assert set(named) == {"exploding", "vanishing"}
    theory = lines["m-theory"]
    x, height = theory.get_xdata(), theory.get_ydata()
    assert height[np.argmin(np.abs(x - 1))] > 1e6  # the wedge opens
    assert height[-1] == pytest.approx(16 / np.log(10.0))  # beyond it λ = 1/ε
    assert all((text.get_gid() or "").startswith("m-theory") for text in named.values())


def test_each_side_of_the_critical_eps_has_its_own_fitted_line() -> None:
    built = eps_map()
    agreement = assess(built)
    kappas = agreement.kappa_by_regime()
    assert kappas["vanishing"] > 2 * kappas["exploding"]  # the frontier is 30 everywhere, ξ is not
    assert agreement.kappa is not None
    assert kappas["exploding"] < agreement.kappa < kappas["vanishing"]
    ax = heat_map.draw(built, agreement, ids="m")
    lines = {line.get_gid(): line for line in ax.lines}
    xi = np.array(lines["m-theory"].get_ydata()) / 16
    for gid, kappa, side in (
        ("m-fit", kappas["exploding"], agreement.prediction.curve_log_rate > 0),
        ("m-fit-1", kappas["vanishing"], agreement.prediction.curve_log_rate < 0),
    ):
        np.testing.assert_allclose(lines[gid].get_ydata(), np.where(side, kappa * xi, np.nan))
    fitted = {text.get_text(): text.get_gid() for text in ax.texts if text.get_text().startswith("fitted ")}
    assert fitted == {
        f"fitted {kappas['exploding']:.1f} ξ": "m-fit-label",
        f"fitted {kappas['vanishing']:.1f} ξ": "m-fit-1-label",
    }


def test_a_side_without_a_frontier_has_no_fitted_line() -> None:
    built = eps_map(frontier=lambda cell: 30.0 if cell["eps"] > 1 else 300.0)
    agreement = assess(built)
    assert agreement.kappa_by_regime() == {"vanishing": pytest.approx(agreement.kappa)}
    (fit,) = (line for line in heat_map.draw(built, agreement, ids="m").lines if "fit" in str(line.get_gid()))
    drawn = np.isfinite(fit.get_ydata())
    assert (drawn == (agreement.prediction.curve_log_rate < 0)).all()


def test_a_map_on_which_all_gradients_explode_needs_no_names() -> None:
    built = eps_map((0.01, 0.1, 0.5))
    agreement = assess(built)
    assert agreement.prediction.critical_x == []
    assert agreement.kappa_by_regime() == {"exploding": pytest.approx(agreement.kappa)}
    words = [text.get_text() for text in heat_map.draw(built, agreement).texts]
    assert not [one for one in words if "exploding" in one or "critical" in one]


def test_labels_stay_within_the_map() -> None:
    for values in ((0.01, 0.1, 0.5, 2.0, 4.0, 10.0), (0.001, 0.1, 0.3, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5, 4.0)):
        built = eps_map(values)
        ax = heat_map.draw(built, assess(built))
        renderer = ax.figure.canvas.get_renderer() if hasattr(ax.figure.canvas, "get_renderer") else None
        if renderer is None:
            from matplotlib.backends.backend_agg import FigureCanvasAgg

            renderer = FigureCanvasAgg(ax.figure).get_renderer()
        ax.figure.draw(renderer)
        frame = ax.get_window_extent(renderer)
        for text in ax.texts:
            box = text.get_window_extent(renderer)
            assert box.x0 > frame.x0 - 2
            assert box.x1 < frame.x1 + 2, text.get_text()


def test_corners_mark_what_is_not_the_whole_truth() -> None:
    contents, expected = results(SIZES, outcome=some_failures)
    for one in contents:
        for cell in one["cells"]:
            cell["exceeds_float32"] = cell["parameters"]["depth"] >= 50
    built = phase_map.build(contents, expected, {})
    ax = heat_map.draw(built, None, ids="m")
    drawn = {one.get_gid(): one for one in ax.collections}
    assert squares_of(drawn["m-float32"]) == 3 * len(SIZES)
    assert squares_of(drawn["m-partly"]) == 1
    beyond, partly = (drawn[f"m-{name}"].get_paths()[0].vertices for name in ("float32", "partly"))
    x, y = map_axis(built, "x"), map_axis(built, "y")
    assert (beyond[0] == [x.edges[0], y.edges[9]]).all()  # lower left of the first cell at depth 50
    assert (partly[0] == [x.edges[3], y.edges[11]]).all()  # upper right of batch size 12 at depth 55
    words = [handle.get_label() for handle in legend_handles(built, [])]
    assert words[-2:] == ["some seeds diverged or dead", "gradients beyond float32"]
