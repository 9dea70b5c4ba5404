"""The catalogue of figures: every line has its function, asking is light, and a figure of one's own is one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from phasemap.sweeps.figures.catalogue import FIGURES, Figure, exhibit, register, theory_figure, theory_figures
from phasemap.sweeps.figures.draw_figure import draw_figure
from phasemap.theory.errors import InputError
from phasemap.train.presentation import HEAT_MAP

OWN = """
from matplotlib.figure import Figure

def draw(networks=3):
    figure = Figure()
    figure.add_subplot().plot(range(networks))
    return figure

def show(contents):
    from phasemap.sweeps.figures.trained.exhibit import Exhibit
    return Exhibit({"": draw()}, "caption", f"{len(contents)} results", [], [])
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a figure, and a catalogue that forgets what a test registers."""
    monkeypatch.setattr(FIGURES, "_lines", dict(FIGURES._lines))
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    return file


@pytest.mark.slow
def test_asking_imports_no_numerics_and_every_line_has_its_function() -> None:
    program = (
        "import sys; from phasemap.sweeps.figures import catalogue; import phasemap.sweeps.commands.theory_figure; "
        "assert not {'torch', 'matplotlib', 'scipy', 'numpy'} & set(sys.modules), 'heavy import'; "
        "[figure.load() for figure in catalogue.FIGURES.values() if not figure.name.startswith('vv')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert {"bn-fig1", "bn-fig2", "bn-fig10"} <= {figure.name for figure in theory_figures()}


def test_a_figure_of_your_own_is_one_line(own: Path, tmp_path: Path) -> None:
    register(Figure("mine", f"{own}:draw", "a line", 0.1))
    png, pdf = draw_figure("mine", out=tmp_path / "out", networks=4)
    assert (png.name, pdf.name) == ("mine.png", "mine.pdf")
    assert png.stat().st_size > 1000
    assert theory_figures()[-1].shows == "a line"
    with pytest.raises(ValueError, match="'mine' is there already"):
        register(Figure("mine", f"{own}:show", "another", 0.1))


def test_an_exhibit_is_asked_for_by_name_or_by_file(own: Path) -> None:
    register(Figure("my-exhibit", f"{own}:show", "results", 0.1, trained=True))
    for picture in ("my-exhibit", f"{own}:show"):
        assert exhibit(picture).load()([{}, {}]).verdict == "2 results"
    assert "my-exhibit" not in [figure.name for figure in theory_figures()]
    with pytest.raises(InputError, match="picture: 'bn-fig1': expected one of map, layers, "):
        exhibit("bn-fig1")
    with pytest.raises(InputError, match="unknown figure 'layers': expected one of bn-fig1, "):
        theory_figure("layers")


def test_the_heat_map_is_no_exhibit() -> None:
    assert HEAT_MAP not in FIGURES
