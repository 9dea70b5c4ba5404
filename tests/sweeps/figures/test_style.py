"""How figures look and are written: text as it is, logarithmic axes without TeX, files whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from phasemap.sweeps.figures import style
from phasemap.sweeps.figures.style import log_scale, save, save_png, styled


def test_text_is_drawn_as_it_is_but_for_formulas_of_our_own() -> None:
    """What is between dollars takes another width as a formula: a$b$ would be drawn as ab."""

    def width(text: str, *, formulas: bool) -> float:
        with styled(formulas=formulas):
            figure = Figure()
            drawn = figure.text(0, 0, text)
            return drawn.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width

    assert width("a$bbbb$", formulas=False) > width("abbbb", formulas=False)
    assert width("a$bbbb$", formulas=True) < width("a$bbbb$", formulas=False)
    assert width("price_$_to_$ x^{2", formulas=False) > 0


def test_letters_that_the_font_lacks_are_boxes_without_a_warning(tmp_path: Path) -> None:
    with styled():
        figure = Figure()
        figure.suptitle("数据 עברית \x07 🙂")
        assert [path.name for path in save(figure, tmp_path / "x")] == ["x.png", "x.pdf"]


@pytest.mark.parametrize(
    ("low", "high", "wanted"), [(1e-5, 1e3, {"10⁻⁴", "10⁰", "10²"}), (1, 5, {"10⁰", "2×10⁰", "3×10⁰"})]
)
def test_numbers_of_a_logarithmic_axis(low: float, high: float, wanted: set[str]) -> None:
    with styled():
        figure = Figure()
        ax = figure.add_subplot()
        ax.plot([1, 2], [low, high])
        log_scale(ax)
        figure.canvas.draw()
        found = {label.get_text() for label in ax.yaxis.get_ticklabels(which="both")}
    assert wanted <= found
    assert not any("$" in text for text in found)


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(style, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        save(Figure(), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_png_alone_leaves_no_pdf_of_an_earlier_drawing(tmp_path: Path) -> None:
    with styled():
        figure = Figure(figsize=(1, 1))
        for pdf in (True, False):
            assert save_png(figure, tmp_path / "x", pdf=pdf) == tmp_path / "x.png"
            assert (tmp_path / "x.pdf").exists() is pdf
