"""A theory is one class and a line: what it says reaches the report, comparisons and verdicts with no other edit."""

from __future__ import annotations

import subprocess
import sys
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from phasemap.sweeps.comparison.shared_function import transfer
from phasemap.sweeps.comparison.two_maps import compare
from phasemap.sweeps.overlays.batchnorm import BatchNormTheory
from phasemap.sweeps.overlays.catalogue import THEORIES, theory_of
from phasemap.sweeps.overlays.field import Field
from phasemap.sweeps.overlays.map_theory import Grid, MapTheory
from phasemap.sweeps.overlays.no_theory import NoTheory
from phasemap.sweeps.overlays.prediction import Prediction
from phasemap.sweeps.overlays.residual import ResidualTheory
from phasemap.sweeps.phase_map.regions import WHOLE
from phasemap.sweeps.report.map_page import write
from phasemap.sweeps.verdict.claims.catalogue import claims_of
from phasemap.sweeps.verdict.judgement import judge
from phasemap.train.families.catalogue import FAMILIES
from tests import ROOT
from tests.sweeps.residual_maps import residual_map
from tests.sweeps.synthetic import PROVENANCE, a_map


class HalfTheory(MapTheory):
    """Made up: gradients explode by e over B/16 layers, and the batch size itself is a quantity."""

    networks = "made-up networks"
    glossary = {"half": "what this theory <speaks> of"}  # noqa: RUF012

    def inapplicable(self) -> str:
        return ""

    @cached_property
    def prediction(self) -> Prediction:
        x = self.phase_map["batch_size"].values.astype(float)
        count = x.size
        return Prediction(x / 16, ("exploding",) * count, ("",) * count, 16.0, x, 16 / x)

    @cached_property
    def quantities(self) -> dict[str, Grid]:
        return {"my quantity": np.tile(self.phase_map["batch_size"].values.astype(float), (12, 1))}

    def fields(self, metric: str = "test_accuracy") -> tuple[Field, ...]:
        y = np.array([5.0, 60.0])
        x = self.prediction.curve_x
        return (Field("mine", "my own field", x, y, np.array([x, x]), "a role that no figure knows", span=(8.0, 64.0)),)


class WithoutFrontier(HalfTheory):
    """The same of networks whose accuracy need not fall with depth."""

    has_frontier = False


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """A map of networks of an architecture of its own."""
    monkeypatch.setattr(THEORIES, "_lines", dict(THEORIES._lines))
    THEORIES.register("made-up", HalfTheory)
    THEORIES.register("made-up-too", WithoutFrontier)
    monkeypatch.setattr(FAMILIES, "_lines", {**FAMILIES._lines, "made-up": FAMILIES["bn-mlp"]})
    return a_map((8, 16, 32, 64), frontier=lambda cell: float(cell["batch_size"])).assign_attrs(architecture="made-up")


def test_each_map_gets_its_own_theory() -> None:
    assert isinstance(theory_of(a_map((8, 16))), BatchNormTheory)
    assert isinstance(theory_of(residual_map(lambda cell: 0.5, values=(0.0, 1.0))), ResidualTheory)
    unknown = theory_of(a_map((8, 16)).assign_attrs(architecture="perceptron"))
    assert isinstance(unknown, NoTheory)
    assert unknown.inapplicable() == "there is no depth scale for architecture 'perceptron'"
    mixed = a_map((8, 16)).assign_coords(architecture=("batch_size", ["bn-mlp", "resnet"]))
    assert theory_of(mixed).inapplicable() == "the map's networks are of several architectures"


def test_a_theory_from_outside_is_drawn_judged_and_reported(built: xr.Dataset, tmp_path: Path) -> None:
    judged = judge(built)
    assert judged.agreement is not None
    assert judged.agreement.kappa == pytest.approx(16, rel=0.05)
    assert "my quantity" in [one.name for one in judged.rankings[WHOLE]]
    out = write(
        built,
        out=tmp_path / "report.html",
        figures_dir=tmp_path,
        contents=[],
        provenance=[PROVENANCE],
        experiment_yaml=None,
    )
    page = out.read_text()
    assert judged.verdict in page
    for part in ("my own field", "my quantity", "<dt>half</dt>", "&lt;speaks&gt;", 'id="test_accuracy-mine"'):
        assert part in page
    assert claims_of(built, judged) == []  # the papers' sentences are about other networks


def test_comparisons_follow_the_theory_not_the_name(built: xr.Dataset) -> None:
    assert compare(built, built).frontier_a is not None
    assert transfer(built, built) == []
    other = built.assign_attrs(architecture="made-up-too")
    found = compare(other, other)
    assert found.frontier_a is None
    assert found.sentence == ("Made-up networks have no frontier to compare: their accuracy need not fall with depth.")
    assert [one.name for one in transfer(other, other)] == ["my quantity"]


def test_the_parameter_overlay_takes_what_the_theories_offer() -> None:
    for name in THEORIES:
        theory = THEORIES[name]
        assert (theory.lines, theory.contours) == (FAMILIES[name].lines, FAMILIES[name].contours)


def test_overlays_know_no_picture() -> None:
    code = (
        "import sys; from phasemap.sweeps.overlays import batchnorm, catalogue, residual; "
        "sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_room_above_the_theories_asks_for_an_architecture() -> None:
    """Only catalogues' lines, the advisers' own names and the help of the command line say one."""
    rooms = ("phase_map", "sources", "overlays", "verdict", "comparison", "figures", "report", "advice")
    allowed = {"overlays/catalogue.py", "advice/catalogue.py", "advice/batchnorm.py", "advice/residual.py"}
    names = [f'"{name}"' for name in FAMILIES]
    for room in rooms:
        for file in sorted((ROOT / "sweeps" / room).rglob("*.py")):
            if str(file.relative_to(ROOT / "sweeps")) not in allowed:
                assert not [name for name in names if name in file.read_text()], file
