"""Matplotlib's SVG of the map, made fit for a page: an id per cell and per line, small, in the page's own colours."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from typing import cast
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from phasemap.sweeps.figures import style
from phasemap.sweeps.figures.maps import heat_map
from phasemap.sweeps.figures.maps.legend import legend_handles
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.phase_map.axes import map_axis
from phasemap.sweeps.verdict.depth_scale import Agreement
from phasemap.theory.shown import shown

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_SIZE = (6.2, 4.5)
_LEGEND_ROW = 0.05
"""Height of the legend's row, in parts of the map's."""
_PIXELS = 200
"""Dots per inch where the squares are too many to be drawn one by one."""
_POINTS = 72
Edges = Float[np.ndarray, "_"]
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def svg(
    phase_map: xr.Dataset,
    agreement: Agreement | None,
    metric: str,
    fields: Sequence[Field] = (),
    description: str = "",
) -> str:
    """The map of one metric as an ``<svg>`` element to be put into a page.

    Cell (i, j) of the map (i along the y axis, j along the x axis, from 0) has the id ``METRIC-cell-i-j``; of a map of
    more than ``MOST_VECTORS`` squares all of them are one image. ``data-across`` and ``data-down`` are the squares'
    edges. What lies over the cells has ids that start with ``METRIC-theory``, ``METRIC-fit``, ``METRIC-frontier``,
    ``METRIC-state`` and ``METRIC-FIELD``. Every id starts with the metric, so that several maps share a page. Text and
    frames are ``currentColor``. ``description`` is what a reader hears who does not see it.
    """
    with style.styled("report"):
        figure = Figure(figsize=_SIZE)
        handles = legend_handles(phase_map, [agreement] if agreement else [])
        rows = -(-len(handles) // 4)
        # fixed margins: a layout engine would draw every map twice to measure it
        figure.subplots_adjust(left=0.11, right=0.97, bottom=0.125 + _LEGEND_ROW * rows, top=0.98)
        ax = figure.add_subplot()
        heat_map.draw(phase_map, agreement, ax=ax, metric=metric, title="", fields=fields, ids=metric)
        if handles:
            figure.legend(handles=handles, loc="lower center", ncols=4, borderpad=0.2, columnspacing=1.4)
        figure.patch.set_visible(False)
        across, down = _edges(phase_map, ax)
        many = (across.size - 1) * (down.size - 1) > heat_map.MOST_VECTORS
        cells = "" if many else _cells(ax, across, down, metric)
        ax.patch.set_gid(f"{metric}-cells")  # the squares take the place of the ground that they hide
        written = io.StringIO()
        figure.savefig(written, format="svg", dpi=_PIXELS, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(shown(written.getvalue(), lines=True))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{_SVG}}}metadata":
                parent.remove(child)
    for image in root.iter(f"{{{_SVG}}}image"):
        image.set(f"{{{_XLINK}}}href", _with_palette(image.attrib[f"{{{_XLINK}}}href"]))
    _prefix_ids(root, metric)
    place = next(element for element in root.iter() if element.get("id") == f"{metric}-cells")
    place.set("class", "cells")
    if not many:
        for child in list(place):
            place.remove(child)
        place.text = "CELLS"
    root.attrib |= {
        "data-across": " ".join(f"{edge:.2f}" for edge in across),
        "data-down": " ".join(f"{edge:.2f}" for edge in down),
        "role": "img",
        "class": "map",
        "aria-labelledby": f"{metric}-caption",
        "aria-describedby": f"{metric}-description",
    }
    text = ElementTree.tostring(root, encoding="unicode").replace(">CELLS<", f">\n{cells}<", 1)
    head = text.index(">") + 1
    heard = f'<desc id="{metric}-description">{escape(description)}</desc>'
    return re.sub(r"\n\s*\n+", "\n", f"{text[:head]}{heard}{text[head:]}")


def _edges(phase_map: xr.Dataset, ax: Axes) -> tuple[Edges, Edges]:
    """Where the squares' edges lie in the picture, from the left and from the top; the map's lowest row has the
    largest."""
    x, y = map_axis(phase_map, "x"), map_axis(phase_map, "y")
    height = _SIZE[1] * _POINTS
    dots = cast("Figure", ax.figure).dpi / _POINTS
    across = ax.transData.transform(np.column_stack([x.edges, np.full(x.edges.size, y.edges[0])]))[:, 0] / dots
    down = height - ax.transData.transform(np.column_stack([np.full(y.edges.size, x.edges[0]), y.edges]))[:, 1] / dots
    return across, down


def _cells(ax: Axes, across: Edges, down: Edges, metric: str) -> str:
    """The mesh's squares, each with its id; takes the mesh off the axes. Matplotlib gives the places and the colours,
    and writing them here is a hundred times as fast as its SVG of a mesh."""
    mesh = cast("QuadMesh", next(one for one in ax.collections if isinstance(one, QuadMesh)))
    values: np.ma.MaskedArray = np.ma.masked_invalid(np.ma.asarray(mesh.get_array())).reshape(
        down.size - 1, across.size - 1
    )
    hidden = np.ma.getmaskarray(values)
    # the map of colours has 256: no more need be spelt out
    shades = [to_hex(shade) for shade in mesh.cmap(np.arange(mesh.cmap.N))]
    shade = np.clip((np.ma.filled(mesh.norm(values), 0) * mesh.cmap.N).astype(int), 0, mesh.cmap.N - 1)
    mesh.remove()
    lines = []
    for i in range(hidden.shape[0]):
        top, tall = f"{down[i + 1]:.2f}", f"{down[i] - down[i + 1]:.2f}"
        for j in range(hidden.shape[1]):
            colour = "none" if hidden[i, j] else shades[shade[i, j]]
            lines.append(
                f'<path id="{metric}-cell-{i}-{j}" d="M{across[j]:.2f} {top}h{across[j + 1] - across[j]:.2f}v{tall}H'
                f'{across[j]:.2f}z" fill="{colour}" stroke="{colour}"/>\n'
            )
    return "".join(lines)


def _with_palette(address: str) -> str:
    """A picture in an address (``data:``) with 256 colours: as it was if it has no more, and a third of the bytes where
    the hatches of thousands of squares made more. What is transparent becomes white."""
    head, _, data = address.partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    written = io.BytesIO()
    on_white.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(written, "png")
    return f"{head},{base64.b64encode(written.getvalue()).decode()}"


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
