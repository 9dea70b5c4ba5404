"""The report of a run's folder: of several runs that waited for each other's tiles, one draws it."""

from __future__ import annotations

from pathlib import Path

from phasemap.sweeps.store import tile_lock
from phasemap.sweeps.store.folder import Folder


def draw_report(folder: Folder, *, waited: bool) -> Path:
    """Draws the report of what is there; its page.

    Args:
        waited: whether the run ended by waiting for others, one of which may be drawing it or have drawn it.
    """
    page, lock = folder.path / "report.html", folder.locks / "report.lock"
    with tile_lock.holding(lock) as mine:
        if not (waited and (not mine or _drawn_of_all(folder, page))):
            from phasemap.sweeps.report.draw import draw

            page = draw([str(folder.path)], out=None, pdf=False)
        if mine:
            lock.unlink(missing_ok=True)
    return page


def _drawn_of_all(folder: Folder, page: Path) -> bool:
    """Whether the page is there, and no result is younger."""
    results = [path.stat().st_mtime_ns for path in folder.tiles.glob("*.json")]
    return page.exists() and page.stat().st_mtime_ns >= max(results, default=0)
