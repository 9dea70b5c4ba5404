"""What files a report makes: the suffix is the format, and figures of several pages in a folder are kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from phasemap.command_line import main
from phasemap.sweeps.commands.export import export
from phasemap.sweeps.report.draw import PAGES, draw, kind_of
from phasemap.sweeps.report.templates import figure_stem
from phasemap.sweeps.sources.open_map import open_map
from phasemap.sweeps.store import result as store
from phasemap.theory.errors import InputError
from tests.sweeps.fake_backend import fake_result
from tests.sweeps.sources.test_status import folder_of


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two runs of a file of somebody's own."""
    home = tmp_path_factory.mktemp("two")
    found = []
    for name, setting in (("a", "depth=[5, 10]"), ("b", "depth=[5, 20]")):
        made, planned = folder_of(home / name, setting)
        for tile in planned.tiles:
            store.write(made.result_file(tile.key), fake_result(tile.parameters))
        found.append(str(made.path))
    return found


@pytest.mark.parametrize(
    ("name", "kind"),
    [("x.html", "html"), ("x.htm", "htm"), ("a.b.pdf", "pdf"), ("x.PNG", "png"), ("x.svg", "svg")],
)
def test_a_suffix_is_its_format(name: str, kind: str) -> None:
    assert kind_of(Path(name)) == kind


@pytest.mark.parametrize("name", ["x", "x.txt", "x.pdf.gz", ".html", "x.nc"])
def test_another_suffix_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a name that ends in one of .html, .png, .pdf, .svg"):
        draw(["nowhere"], out=Path(name))
    with pytest.raises(InputError, match="is a folder; expected a file in it"):
        kind_of(tmp_path)
    with pytest.raises(InputError, match=r"expected a name that ends in one of \.html$"):
        kind_of(Path("x.pdf"), PAGES)


@pytest.mark.slow
def test_two_pages_in_a_folder_keep_their_figures_apart(folders: list[str], tmp_path: Path) -> None:
    name = str(open_map(folders[:1]).attrs["experiment"])
    for folder, page in zip(folders, ("one.html", "two.html"), strict=True):
        assert draw([folder], out=tmp_path / page) == tmp_path / page
    figures = {path.name for path in (tmp_path / "figures").iterdir() if path.suffix == ".png"}
    assert figures == {f"{name}-one.png", f"{name}-two.png"}
    one, two = ((tmp_path / "figures" / each).read_bytes() for each in sorted(figures))
    assert one != two


def test_what_figures_are_called() -> None:
    assert figure_stem("bn-fig3a", Path("runs/x/report.html")) == "bn-fig3a"
    assert figure_stem("bn-fig3a", Path("bn-fig3a.html")) == "bn-fig3a"
    assert figure_stem("bn-fig3a", Path("both.html")) == "bn-fig3a-both"
    assert figure_stem("../my map, width=8", Path("a b.html")) == "my-map-width-8-a-b"


def test_a_map_is_called_as_its_file_and_single_tiles_as_their_folder(folders: list[str], tmp_path: Path) -> None:
    assert open_map(folders[:1]).attrs["experiment"] not in ("", "phase-map")
    experiment = Path(folders[0], "manifest.json").read_text()
    assert str(open_map(folders[:1]).attrs["experiment"]) in experiment


def test_one_picture_is_drawn_alone(folders: list[str], tmp_path: Path) -> None:
    assert draw(folders[:1], out=tmp_path / "map.pdf").read_bytes().startswith(b"%PDF")
    assert [path.name for path in tmp_path.iterdir()] == ["map.pdf"]


@pytest.mark.parametrize(
    ("format", "name", "said"),
    [
        (None, "x.pdf", "--out x.pdf: expected a name that ends in .csv, or in .nc for netCDF"),
        ("csv", "x.nc", "a file of csv ends in .csv"),
        ("netcdf", "x.csv", "a file of netcdf ends in .nc"),
        ("xls", "x.csv", "--format xls: expected one of csv, netcdf"),
    ],
)
def test_an_export_whose_suffix_is_another_format(format: str | None, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        export(["nowhere"], format=format, out=Path(name))


def test_an_export_says_its_path(folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.csv", "x.nc", "rows"):
        with pytest.raises(SystemExit) as ended:
            main(["export", folders[0], "--out", name])
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"{name}\n"
    assert Path("x.nc").read_bytes().startswith(b"\x89HDF")
    assert Path("rows").read_text() == Path("x.csv").read_text()
