"""Figure 1 of Deep Information Propagation: what is drawn is what the theory gives."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from phasemap.sweeps.figures.theory_only.dip_fig1 import PANELS, figure_1
from phasemap.theory.mlp.record import mlp_record


def test_the_plane_holds_the_theory() -> None:
    figure = figure_1(points=21)
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == [panel.title for panel in PANELS]
    row, column = 12, 16
    weight, bias = np.linspace(0.25, 4, 21)[column], np.linspace(0, 0.5, 21)[row]
    record = mlp_record("tanh", sigma_w=weight**0.5, sigma_b=bias**0.5)
    for ax, panel in zip(panels, PANELS, strict=True):
        mesh = next(one for one in ax.collections if isinstance(one, QuadMesh))
        values = np.asarray(mesh.get_array()).reshape(21, 21)
        assert values[row, column] == pytest.approx(record[panel.quantity], rel=1e-9)
        line = next(one for one in ax.lines if len(one.get_xdata()) == 21)
        x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        assert np.interp(0.05, y, x) == pytest.approx(1.76, abs=0.03)
        assert x[0] == pytest.approx(1, abs=1e-12)
