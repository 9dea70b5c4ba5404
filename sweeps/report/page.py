"""How the report's pages are put together: templates that escape everything, style and script from their own files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from sweeps.agreement import Agreement

_HERE = Path(__file__).parent


def environment() -> Environment:
    """Templates of this folder; autoescape on, and a name that is not given is an error."""
    return Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def inline(name: str) -> Markup:
    """A file of this folder, to be put into a page as it is."""
    return Markup((_HERE / name).read_text(encoding="utf-8"))


def summary(
    name: str, caption: str, verdict: str, out: Path, png: Path, agreement: Agreement | None = None
) -> dict[str, Any]:
    """What the index page shows of a report. The figure is named only if it lies below the page."""
    below = png.resolve().is_relative_to(out.parent.resolve())
    return {
        "name": name,
        "caption": caption,
        "verdict": verdict,
        "kappa": agreement.kappa if agreement else None,
        "interval": [agreement.interval.low, agreement.interval.high] if agreement and agreement.interval else None,
        "rho": agreement.rho if agreement else None,
        "used": agreement.used if agreement else None,
        "figure": png.resolve().relative_to(out.parent.resolve()).as_posix() if below else None,
    }


def file_stem(name: str) -> str:
    """The experiment's name as a file name: whatever a user calls it, the figure stays in its folder."""
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".-") or "phase-map"
