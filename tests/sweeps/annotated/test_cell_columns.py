"""The table of cells has the same columns as the map: what the theory says of each network."""

from __future__ import annotations

import csv
import io

import numpy as np

from phasemap.sweeps.annotated.cell_columns import with_theory
from phasemap.sweeps.annotated.dataset import annotated
from phasemap.sweeps.phase_map import from_results
from phasemap.sweeps.store.cell_table import as_csv, rows
from tests.sweeps.residual_maps import residual_contents
from tests.sweeps.synthetic import results


def as_trained(contents: list) -> list:
    """With the axes among the cells' parameters, as a trainer writes them."""
    for content in contents:
        axes = {name: content["parameters"][name] for name in ("x_axis", "y_axis")}
        for cell in content["cells"]:
            cell["parameters"] = {**cell["parameters"], **axes}
    return contents


def test_every_row_says_what_the_map_says_there() -> None:
    maps = (results(noise=0.01), residual_contents(lambda cell: 0.5))
    for contents in (as_trained(contents) for contents, _ in maps):
        found = annotated(from_results.build(contents, None))
        names, table = rows(contents)
        wide, filled = with_theory(names, table, found)
        added = wide[len(names) :]
        assert set(added) == set(found.data_vars) - set(from_results.build(contents, None).data_vars)
        y, x = found.attrs["y_axis"], found.attrs["x_axis"]
        for row in filled:
            one = dict(zip(wide, row, strict=True))
            for name in added:
                at = {axis: one[axis] for axis in found[name].dims}
                value = found[name].sel(at).item()
                if isinstance(value, float) and not np.isfinite(value):
                    value = None
                assert one[name] == value, (name, one[y], one[x])


def test_what_does_not_exist_is_empty() -> None:
    contents = as_trained(results()[0])
    found = annotated(from_results.build(contents, None).assign_attrs(overlay="none"))
    text = as_csv(*with_theory(*rows(contents), found))
    for row in csv.DictReader(io.StringIO(text)):
        assert row["xi"] == ""
        assert "overlay 'none'" in row["reason"]
