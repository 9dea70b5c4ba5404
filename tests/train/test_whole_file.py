"""Files are whole or not there, and land in their own folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phasemap.theory.errors import InputError
from phasemap.train.whole_file import temporary_beside, whole, within, write_text


def test_nothing_is_left_of_what_was_not_finished(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before")
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "a") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "before")]


def test_only_where_there_is_none(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "first", new=True)
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "a", "second", new=True)
    assert (tmp_path / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_is_followed_within_its_folder_and_replaced_where_it_leaves_it(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "sub", there):
        folder.mkdir(parents=True)
    (there / "precious").write_text("kept")
    (here / "out").symlink_to(there / "precious")
    (here / "in").symlink_to(here / "sub" / "file")
    (here / "loop").symlink_to(here / "loop")
    for name in ("out", "in", "loop"):
        write_text(here / name, "new")
    assert (there / "precious").read_text() == "kept"
    assert not (here / "out").is_symlink()
    assert (here / "sub" / "file").read_text() == "new"
    assert (here / "loop").read_text() == "new"
    (here / "figures").symlink_to(there)
    with pytest.raises(InputError, match=r"figures: is a link to .*there, outside"):
        within(here, "figures")
    assert within(here, "in") == here / "in"


def test_devices_are_written_to(tmp_path: Path) -> None:
    write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["a", "n" * 250, "数" * 80, "-dash", " ", "a\nb"])
def test_temporary_files_have_names_of_their_own(tmp_path: Path, name: str) -> None:
    found = {temporary_beside(tmp_path / name) for _ in range(50)}
    assert len(found) == 50
    assert all(path.is_file() and path.suffix == ".tmp" for path in found)


def test_a_name_that_is_no_utf8_is_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x\udcff")
    assert (tmp_path / "a").read_text() == "x\\udcff"


def test_what_a_killed_writer_left_goes_with_the_next_and_nothing_else_does(tmp_path: Path) -> None:
    left, fresh, other = (temporary_beside(tmp_path / name) for name in ("a[1].json", "a[1].json", "b.json"))
    mine = tmp_path / ".a[1].json.notes.tmp"
    mine.touch()
    for path in (left, other, mine):
        os.utime(path, (0, 0))
    write_text(tmp_path / "a[1].json", "new")
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a[1].json", fresh, other, mine])
