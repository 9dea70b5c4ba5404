"""Matplotlib's SVG of the map, made fit for a page: an id per cell and per line, small, in the page's own colours."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import xarray as xr
from matplotlib.figure import Figure

from sweeps.agreement import Agreement
from sweeps.figures import heat_map, style
from sweeps.overlay import Field

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def svg(phase_map: xr.Dataset, agreement: Agreement | None, metric: str, fields: Sequence[Field] = ()) -> str:
    """The map of one metric as an ``<svg>`` element to be put into a page.

    Cell (i, j) of the map (i along the y axis, j along the x axis, from 0) has the id ``METRIC-cell-i-j``; what lies
    over the cells has ids that start with ``METRIC-theory``, ``METRIC-fit``, ``METRIC-frontier`` and ``METRIC-FIELD``.
    Every id starts with the metric, so that several pictures share a page. Text and frames are ``currentColor``.
    """
    with style.styled("report"):
        figure = Figure(figsize=(7.4, 4.9))
        # fixed margins: a layout engine would draw every picture twice to measure it
        figure.subplots_adjust(left=0.095, right=1.04, bottom=0.11, top=0.975)
        heat_map.draw(phase_map, agreement, ax=figure.add_subplot(), metric=metric, title="", fields=fields, ids=metric)
        figure.patch.set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(written.getvalue())
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{_SVG}}}metadata":
                parent.remove(child)
    columns = phase_map.sizes[phase_map.attrs["x_axis"]]
    _name_cells(root, metric, columns)
    _prefix_ids(root, metric)
    root.set("role", "img")
    root.set("aria-labelledby", f"{metric}-caption")
    root.set("class", "map")
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r"\n\s*\n+", "\n", text)


def _name_cells(root: ElementTree.Element, metric: str, columns: int) -> None:
    """Gives each square its id, and writes it shortly: there are as many as cells, in row-major order."""
    group = next(element for element in root.iter() if element.get("id") == f"{metric}-cells")
    group.set("class", "cells")
    squares = [element for element in group.iter() if element.tag == f"{{{_SVG}}}path"]
    for index, square in enumerate(squares):
        fill = re.search(r"fill: ([^;]+)", square.get("style", ""))
        colour = fill[1] if fill else "none"
        square.attrib = {
            "id": f"{metric}-cell-{index // columns}-{index % columns}",
            "d": square.get("d", ""),
            "fill": colour,
            "stroke": colour,
        }


def _prefix_ids(root: ElementTree.Element, metric: str) -> None:
    """Makes ids unique to the metric; in the same pass over all attributes, shorter paths and no colour for the ink."""
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id" and not value.startswith(metric):
                element.set(name, f"{metric}-{value}")
            elif name == "d":
                element.set(name, _NUMBER.sub(lambda found: f"{float(found[0]):.2f}", " ".join(value.split())))
            elif name.endswith("href") and value.startswith("#"):
                element.set(name, f"#{metric}-{value[1:]}")
            else:
                value = re.sub(r"url\(#([^)]+)\)", rf"url(#{metric}-\1)", value)
                element.set(name, value.replace(style.INK, "currentColor"))
