"""How the report's pages are put together: templates that escape everything, style and script from their own files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from phasemap.sweeps.experiments.departures import in_words
from phasemap.sweeps.experiments.experiment import available, departures_from
from phasemap.sweeps.verdict.judgement import Judgement
from phasemap.theory.shown import shown
from phasemap.train.whole_file import write_text

_HERE = Path(__file__).parent
_GREEK = {"xi": "ξ", "lambda": "λ", "gamma": "γ", "beta": "β", "eps": "ε", "sigma": "σ", "chi": "χ", "phi": "φ"}
_SYMBOL = re.compile(rf"\b({'|'.join(_GREEK)})(?![^\W_])")
"""As a YAML spells it, alone or with an index: ``beta_v``."""


def environment() -> Environment:
    """Templates of this folder; autoescape on, and a name that is not given is an error."""
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return made


def write_page(out: Path, template: str, **values: Any) -> Path:
    """Writes the page ``out``, whole or not at all; control characters of names are shown."""
    text = environment().get_template(template).render(**values)
    write_text(out, shown(text, lines=True))
    return out


def inline(name: str) -> Markup:
    """A file of this folder, to be put into a page as it is."""
    return Markup((_HERE / name).read_text(encoding="utf-8"))


def index_entry(
    name: str, caption: str, verdict: str, out: Path, png: Path, judged: Judgement | None = None
) -> dict[str, Any]:
    """What the index page shows of a report. The figure is named only if it lies below the page."""
    agreement = judged.agreement if judged else None
    best = judged.collapses[0].best if judged and len(judged.collapses) == 1 else None
    below = png.resolve().is_relative_to(out.parent.resolve())
    return {
        "name": name,
        "caption": caption,
        "verdict": verdict,
        "kappa": agreement.kappa if agreement else None,
        "interval": [agreement.interval.low, agreement.interval.high] if agreement and agreement.interval else None,
        "spread": agreement.spread if agreement else None,
        "best_scale": [best.name, best.spread] if best else None,
        "rho": agreement.rho if agreement else None,
        "used": agreement.used if agreement else None,
        "figure": png.resolve().relative_to(out.parent.resolve()).as_posix() if below else None,
    }


PAPERS = "At the paper's scale:"
"""What follows it in a comment is of the YAML's own grid."""


def lead(name: str, experiment_yaml: str | None) -> Sequence[str]:
    """What the figure is and what to expect, as paragraphs: the comment that opens the YAML of an experiment that comes
    with the project (a folder's copy of a preset has lost it), or a user's own description and comment.

    The cost, and what is said of the paper's scale, are left out: the map at hand may be a preset's. So is all of it
    where the experiment was changed to another figure, as by another φ: then it says what was changed."""
    text = experiment_yaml or ""
    try:
        described = yaml.safe_load(text)
    except yaml.YAMLError:
        described = None
    known = available().get(name)
    if known and isinstance(described, dict) and (changed := _changed(known, described)):
        return [f"{name} with {changed}. This is not the paper's figure: what is said of that is left out."]
    own = isinstance(described, dict) and "description" in described and not known
    paragraphs = [[str(described["description"])]] if own else []
    paragraphs.append([])
    for line in (known.read_text(encoding="utf-8") if known else text).splitlines():
        if not line.startswith("#"):
            break
        words = line.lstrip("#").strip()
        if not words or (words.partition(":")[0] in ("Cost", "Expect") and paragraphs[-1]):
            paragraphs.append([])
        if words:
            paragraphs[-1].append(words)
    kept = [" ".join(paragraph) for paragraph in paragraphs if paragraph and not paragraph[0].startswith("Cost")]
    kept = [paragraph.partition(PAPERS)[0].rstrip() for paragraph in kept]
    return [_SYMBOL.sub(lambda found: _GREEK[found[1]], paragraph) for paragraph in kept]


def _changed(known: Path, described: dict[str, Any]) -> str:
    entries = described.get("parameters")
    given = entries if isinstance(entries, dict) else {}
    values = {key: one.get("values", one.get("value")) for key, one in given.items() if isinstance(one, dict)}
    return in_words(departures_from(known, values)) if values else ""


def figure_stem(name: str, page: Path) -> str:
    """What the figures of a page are called: as the map, and, of pages beside the folder's own report, as they are:
    several pages in a folder keep theirs apart.

    Whatever a user calls a map, its figure stays in its folder.
    """
    own = page.stem if page.name != "report.html" else ""
    return f"{_as_file_name(name)}-{_as_file_name(own)}" if own and own != name else _as_file_name(name)


def _as_file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).lstrip(".-") or "phase-map"
