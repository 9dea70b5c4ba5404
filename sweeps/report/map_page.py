"""Writes the report of a map: figures as PNG and PDF, and one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib.figure import Figure

from phasemap.sweeps.figures.conditions import SEPARATOR
from phasemap.sweeps.figures.maps import heat_map
from phasemap.sweeps.figures.maps.colour_scale import scale_in_words
from phasemap.sweeps.figures.maps.theory_lines import SYMBOLS
from phasemap.sweeps.figures.maps.words import caption, has_batch_statistics, titles
from phasemap.sweeps.figures.style import SCREEN, Look, save_png
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.axes import MapAxis, map_axis
from phasemap.sweeps.report import loss_curves, tables
from phasemap.sweeps.report.map_svg import svg
from phasemap.sweeps.report.page_data import payload
from phasemap.sweeps.report.templates import figure_stem, index_entry, inline, lead, write_page
from phasemap.sweeps.verdict.claims.catalogue import claims_of
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.sweeps.verdict.judgement import Judgement, judge
from phasemap.train.presentation import METRICS
from phasemap.train.result_types import Content

MOST_COLUMNS, MOST_SQUARES = 200, 5000
"""Beyond which the page has no table of them."""


def write(
    phase_map: xr.Dataset,
    *,
    out: Path,
    figures_dir: Path,
    contents: Iterable[Content],
    provenance: Iterable[Mapping[str, Any]] | Mapping[str, Any],
    experiment_yaml: str | None,
    look: Look = SCREEN,
    pdf: bool = False,
) -> Path:
    """Writes ``out`` (one page; no network and no other file is needed) and ``figures_dir``/NAME.png. The loss
    curves of a large map lie beside the page.

    Args:
        phase_map: ``phasemap.sweeps.phase_map.from_results.build``.
        contents: of the results, for the loss curves.
        provenance: of the results, one per tile.
        experiment_yaml: as the user wrote it, shown on the page.
        look: of the PNG and PDF. pdf: whether there is to be a PDF.

    Returns:
        ``out``.
    """
    contents = list(contents)
    origins = [provenance] if isinstance(provenance, Mapping) else list(provenance)
    metrics = _metrics(phase_map)
    primary = _primary(phase_map)
    judged = judge(phase_map, primary)
    agreement, verdict, fields = judged.agreement, judged.verdict, judged.fields
    name = str(phase_map.attrs["experiment"]) or "phase-map"
    png = save_png(_figure(judged, look), figures_dir / figure_stem(name, out), look.style, pdf=pdf)
    words, trained_on, narrow = titles(phase_map), caption(phase_map), scale_in_words(phase_map)
    data = payload(phase_map, judged.agreements, metrics)
    networks, squares = phase_map["outcome"].size, phase_map["outcome"][..., 0].size
    curves = loss_curves.curves_json(phase_map, contents)
    beside = loss_curves.write_beside(out, curves) if networks > loss_curves.MOST_CURVES else None
    return write_page(
        out,
        "map.html",
        name=name,
        lead=[*lead(name, experiment_yaml), *_line_in_words(judged, map_axis(phase_map, "x"))],
        seeds=phase_map.sizes["seed"],
        chance=f"{phase_map.attrs['chance']:.0%}" if np.isfinite(phase_map.attrs["chance"]) else "",
        critical=_critical(phase_map, judged),
        caption=trained_on,
        colours={metric: SEPARATOR + narrow if narrow and metric in ACCURACIES else "" for metric in metrics},
        x_label=map_axis(phase_map, "x").label,
        y_label=map_axis(phase_map, "y").label,
        theory=judged.theory,
        agreement=agreement,
        verdict=verdict,
        agreement_rows=tables.agreement_rows(judged.agreements.values(), words),
        columns=_columns(phase_map, judged.agreements),
        squares=tables.square_rows(data, primary) if squares <= MOST_SQUARES else None,
        collapses=[(one, tables.collapse_table(one)) for one in judged.collapses],
        slope=tables.slope_table(judged.contours, words) if judged.contours else None,
        rankings={region: tables.ranking_rows(ranked) for region, ranked in judged.rankings.items()},
        ranked_metric=words[judged.metric],
        levels=tables.level_rows(judged.levels),
        sentences=claims_of(phase_map, judged),
        outcomes=tables.outcome_rows(phase_map),
        provenance=tables.provenance_rows(phase_map, origins),
        titles=words,
        metrics=metrics,
        primary=primary,
        drawings={
            metric: Markup(
                svg(phase_map, _for(judged.agreements, metric), metric, fields, f"{words[metric]}. {verdict}")
            )
            for metric in metrics
        },
        fields=fields,
        batch_statistics=has_batch_statistics(phase_map),
        experiment_yaml=experiment_yaml,
        index_entry=index_entry(name, trained_on, verdict, out, png, judged),
        data=data | {"curves_file": beside},
        networks=networks,
        curves=None if beside else Markup("".join(curves)),
        css=inline("report.css"),
        js=inline("report.js"),
    )


def picture(phase_map: xr.Dataset, *, look: Look) -> Figure:
    """The figure of the page alone."""
    return _figure(judge(phase_map, _primary(phase_map)), look)


def _figure(judged: Judgement, look: Look) -> Figure:
    drawn = [field for field in judged.fields if not field.optional]
    return heat_map.panels(judged.theory.phase_map, judged.agreements, look=look, fields=drawn)


def _line_in_words(judged: Judgement, axis: MapAxis) -> list[str]:
    """Where the predicted line lies in the first, a middle and the last column that has it."""
    predicted = judged.agreement.prediction if judged.agreement else None
    known = [] if predicted is None else np.flatnonzero(np.isfinite(predicted.xi)).tolist()
    if predicted is None or not known:
        return []
    places = sorted({known[0], known[len(known) // 2], known[-1]})
    layers = [f"{predicted.factor * float(predicted.xi[i]):.0f} at {axis.ticks[i]}" for i in places]
    return [f"On this map {predicted.factor:g} ξ is, in layers by {axis.label}: {', '.join(layers)}."]


def _metrics(phase_map: xr.Dataset) -> list[str]:
    """The metrics that have numbers."""
    return [metric for metric in METRICS if np.isfinite(phase_map[metric].values).any()] or [METRICS[0]]


def _primary(phase_map: xr.Dataset) -> str:
    """The map's own metric, or the first that has numbers."""
    metrics = _metrics(phase_map)
    return str(phase_map.attrs["metric"]) if phase_map.attrs["metric"] in metrics else metrics[0]


def _critical(phase_map: xr.Dataset, judged: Judgement) -> str:
    """The symbol of the axis on which there is a critical point; "" where there is none."""
    if not judged.agreements or not judged.theory.prediction.critical_x:
        return ""
    return SYMBOLS.get(phase_map.attrs["x_axis"], "point")


def _columns(phase_map: xr.Dataset, agreements: Mapping[str, Agreement]) -> dict[str, list[dict[str, str]]] | None:
    """The tables of columns by metric; None where they would be too long to read."""
    if phase_map.sizes[phase_map.attrs["x_axis"]] > MOST_COLUMNS:
        return None
    return {metric: tables.column_rows(phase_map, one) for metric, one in agreements.items()}


def _for(agreements: Mapping[str, Agreement], metric: str) -> Agreement | None:
    """The frontier drawn on a metric: its own, or, on a loss, the one of the accuracy on the same samples."""
    return agreements.get(metric) or agreements.get(metric.replace("loss", "accuracy"))
