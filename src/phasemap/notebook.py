"""The progress of ``phasemap.run`` in a notebook: a bar and a line that change in place, below the cell."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

from phasemap.sweeps.progress.display import ShownProgress, progress
from phasemap.sweeps.progress.tally import Tally
from phasemap.theory.shown import shown


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process, rather than a terminal."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def notebook_progress(quiet: bool) -> ShownProgress:
    """A bar in a notebook; elsewhere, and if ``quiet``, what the console command shows."""
    return progress(quiet) if quiet or not in_notebook() else Bar()


class Bar(ShownProgress):
    """One output of the cell, drawn again whenever there is something new."""

    INTERVAL = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.output: Any = None

    def tell(self, message: str) -> None:
        """A line of the cell's ordinary output."""
        print(shown(message), flush=True)

    def update(self, tally: Tally, *, last: bool = False) -> None:
        """Draws the bar, if it is time."""
        now = time.monotonic()
        if not last and now - self.last < self.INTERVAL:
            return
        self.last = now
        line, done = tally.line(), tally.fraction()
        picture = f'<progress value="{done:.3f}" max="1" style="vertical-align: middle"></progress> {escape(line)}'
        both = {"text/plain": f"{done:.0%} {line}", "text/html": picture}
        if self.output is None:
            self.output = sys.modules["IPython"].display.display(both, raw=True, display_id=True)
        else:
            self.output.update(both, raw=True)
