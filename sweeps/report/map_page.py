"""Writes the report: figures as PNG and PDF, and one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from phasemap.sweeps.figures.maps import heat_map
from phasemap.sweeps.figures.maps.theory_lines import SYMBOLS
from phasemap.sweeps.overlays import batchnorm as overlay
from phasemap.sweeps.overlays import residual as overlay_residual
from phasemap.sweeps.phase_map.accuracies import ACCURACIES
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.phase_map.regions import WHOLE
from phasemap.sweeps.report import tables
from phasemap.sweeps.report.map_svg import svg
from phasemap.sweeps.report.page_data import payload
from phasemap.sweeps.report.templates import environment, file_stem, inline, lead, summary
from phasemap.sweeps.verdict import residual as residual_agreement
from phasemap.sweeps.verdict.claims import depth_scale as sentences
from phasemap.sweeps.verdict.claims import epsilon as sentences_eps
from phasemap.sweeps.verdict.claims import residual as sentences_residual
from phasemap.sweeps.verdict.depth_scale import Agreement, assess
from phasemap.sweeps.verdict.ranking import Ranked, depth_in_scales, rank
from phasemap.train.parameters import METRICS

MOST_COLUMNS, MOST_SQUARES = 200, 5000
"""Beyond which the page has no table of them."""
NO_DEPTH = "This map has no depth on its vertical axis, so there is no frontier to judge."


def write(
    phase_map: xr.Dataset,
    *,
    out: Path,
    figures_dir: Path,
    contents: Iterable[Mapping[str, Any]],
    provenance: Iterable[Mapping[str, Any]] | Mapping[str, Any],
    experiment_yaml: str | None,
    style: str = "report",
) -> Path:
    """Writes ``out`` (one page, no other file and no network needed) and ``figures_dir``/NAME.png and .pdf.

    Args:
        phase_map: ``phasemap.sweeps.phase_map.from_results.build``.
        contents: of the results, for the loss curves.
        provenance: of the results, one per tile.
        experiment_yaml: as the user wrote it, shown on the page.
        style: ``report`` or ``paper``, of the PNG and PDF.

    Returns:
        ``out``.
    """
    contents = list(contents)
    sources = [provenance] if isinstance(provenance, Mapping) else list(provenance)
    metrics = [metric for metric in METRICS if np.isfinite(phase_map[metric].values).any()] or [METRICS[0]]
    agreements = assess_all(phase_map)
    predicted = next(iter(agreements.values())).prediction if agreements else None
    fields = overlay.fields(phase_map, predicted) if predicted else ()
    primary = phase_map.attrs["metric"] if phase_map.attrs["metric"] in metrics else metrics[0]
    residual = residual_agreement.assess(phase_map, primary if primary in ACCURACIES else METRICS[0])
    if residual:
        drawn = overlay_residual.dashed_fields(phase_map, residual.corners)
        fields = (*overlay_residual.fields(phase_map, residual.metric), *drawn)
    name = str(phase_map.attrs["experiment"]) or "phase-map"

    figure = heat_map.panels(phase_map, agreements, style=style, fields=fields if residual else ())
    png, _ = heat_map.save(figure, figures_dir / file_stem(name), style)
    judged = agreements.get(primary) or agreements.get(METRICS[0])
    verdict = residual.verdict if residual else judged.verdict if judged else NO_DEPTH
    rankings, compared = {}, []
    if residual:
        ordered = {region: residual_agreement.order(ranked) for region, ranked in residual.rankings.items()}
        rankings = {region: tables.ranking_rows(ranked) for region, ranked in ordered.items()}
        compared = sentences_residual.rows(phase_map, residual)
    elif judged:
        rankings = {WHOLE: tables.ranking_rows(_ranking(phase_map, judged))}
        compared = [*sentences.rows(phase_map, judged), *sentences_eps.rows(phase_map, judged)]
    titles = heat_map.titles(phase_map)
    data = payload(phase_map, agreements, metrics, contents)
    columns = phase_map.sizes[phase_map.attrs["x_axis"]]
    page = environment().get_template("map.html")
    text = page.render(
        name=name,
        lead=lead(name, experiment_yaml),
        seeds=phase_map.sizes["seed"],
        chance=f"{phase_map.attrs['chance']:.0%}" if np.isfinite(phase_map.attrs["chance"]) else "",
        critical=SYMBOLS.get(phase_map.attrs["x_axis"], "point") if predicted and predicted.critical_x else "",
        caption=heat_map.caption(phase_map),
        x_label=map_axis(phase_map, "x").label,
        y_label=map_axis(phase_map, "y").label,
        agreement=judged,
        verdict=verdict,
        agreement_rows=tables.agreement_rows(agreements.values()),
        columns=_columns(phase_map, agreements),
        squares=tables.square_rows(data, primary) if len(data["state"]) * columns <= MOST_SQUARES else None,
        rankings=rankings,
        ranked_metric=titles[residual.metric if residual else judged.metric if judged else primary],
        corners=tables.corner_rows(residual.corners) if residual else [],
        sentences=compared,
        outcomes=tables.outcome_rows(phase_map),
        provenance=tables.provenance_rows(phase_map, sources),
        titles=titles,
        metrics=metrics,
        primary=primary,
        pictures={
            metric: Markup(svg(phase_map, _for(agreements, metric), metric, fields, f"{titles[metric]}. {verdict}"))
            for metric in metrics
        },
        fields=fields,
        experiment_yaml=experiment_yaml,
        residual=residual is not None,
        summary=summary(name, heat_map.caption(phase_map), verdict, out, png, judged),
        data=data,
        css=inline("report.css"),
        js=inline("report.js"),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out


def assess_all(phase_map: xr.Dataset) -> dict[str, Agreement]:
    """The agreement by each accuracy that has numbers; none if the map's y axis is not depth, and for residual
    networks, whose accuracy need not fall with depth."""
    if phase_map.attrs["y_axis"] != "depth" or phase_map.attrs.get("architecture") == "resnet":
        return {}
    prediction = overlay.predict(phase_map)
    present = [metric for metric in ACCURACIES if np.isfinite(phase_map[metric].values).any()]
    return {metric: assess(phase_map, metric, prediction=prediction) for metric in present or ACCURACIES[:1]}


def _columns(phase_map: xr.Dataset, agreements: Mapping[str, Agreement]) -> dict[str, list[dict[str, str]]] | None:
    """The tables of columns by metric; None where they would be too long to read."""
    if phase_map.sizes[phase_map.attrs["x_axis"]] > MOST_COLUMNS:
        return None
    return {metric: tables.column_rows(phase_map, one) for metric, one in agreements.items()}


def _ranking(phase_map: xr.Dataset, agreement: Agreement) -> list[Ranked]:
    quantities = depth_in_scales(phase_map, agreement.prediction)
    return rank(phase_map, quantities, agreement.metric) if quantities else []


def _for(agreements: Mapping[str, Agreement], metric: str) -> Agreement | None:
    """The frontier drawn on a metric: its own, or, on a loss, the one of the accuracy on the same samples."""
    return agreements.get(metric) or agreements.get(metric.replace("loss", "accuracy"))
