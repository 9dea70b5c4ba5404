"""What the YAMLs state in comments, and the pages: costs are what ``--check`` prints, and 16 ξ is the theory's."""

from __future__ import annotations

import re

import pytest

from phasemap.sweeps.commands.list_experiments import experiments
from phasemap.sweeps.execution.run import run_experiment
from phasemap.sweeps.experiments.experiment import PAPER, available, load
from phasemap.sweeps.experiments.usual_preset import QUICK
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm.gradient_explosion import depth_scale
from phasemap.train.machine import speed
from phasemap.train.planning.cost import Cost, duration
from tests import ROOT
from tests.sweeps.experiments.cost_comments import COMMENT, estimate, times

STATED = re.compile(
    r"(\d+) networks? on (\w+), ([\d.e+]+) FLOP "
    r"\(about ([\d.]+ \w+) on one CPU core, ([\d.]+ \w+) on a data-centre GPU\)"
)
PAGES = ("figures-bn-maps", "figures-bn-trained", "figures-vv")
BN_MAPS = ("bn-fig3a", "bn-fig3b", "bn-fig3c", "bn-fig3d", "bn-fig5a", "bn-fig5b", "bn-fig5c", "bn-fig5d")

LONG = ("bn-fig5a", "bn-fig5b")
"""Whose dtypes take the theory some seconds."""


def stated(name: str) -> list[tuple[str, ...]]:
    """Networks, data set, FLOP and both times that a YAML's comment states, quick and at the paper's scale."""
    found = COMMENT.search(available()[name].read_text(encoding="utf-8"))
    assert found, f"{name}.yaml: expected a comment '# Cost: …'"
    return STATED.findall(re.sub(r"\n#  ", "", found[0]))


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose speed nobody has measured."""
    monkeypatch.setattr(speed, "_measured", dict)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in available()])
def test_a_yamls_comment_states_the_estimate(name: str) -> None:
    """Else: ``python -m tests.sweeps.experiments.cost_comments``."""
    expected = []
    for preset in (QUICK, PAPER):
        networks, price = estimate(name, preset)
        data = str(load(name, preset).parameters["dataset"])
        expected.append((str(networks), data, f"{price.flops:.2g}", *times(price)))
    assert stated(name) == expected


@pytest.mark.parametrize("name", ["bn-fig3a", "bn-fig5c", "vv-fig3a"])
def test_the_estimate_is_what_check_prints(name: str, unmeasured: None, capsys: pytest.CaptureFixture[str]) -> None:
    run_experiment(name, check=True)
    printed = dict(re.findall(r"^(\w+): +(.*)$", capsys.readouterr().out, re.MULTILINE))
    networks, data, flops, core, gpu = stated(name)[0]
    assert printed["cells"].split(",")[0] == networks
    assert printed["data"].startswith(data)
    assert printed["cost"] == f"{flops} FLOP (about {core} on one CPU core, {gpu} on a data-centre GPU)"


def test_the_list_has_the_same_cost_but_for_float64(unmeasured: None) -> None:
    for record in experiments():
        for preset, (networks, _, flops, _, gpu) in zip((QUICK, PAPER), stated(record["name"]), strict=True):
            listed = record["presets"][preset]
            assert listed["cells"] == int(networks)
            assert float(f"{listed['flops']:.2g}") <= float(flops)
            if f"{listed['flops']:.2g}" == flops:
                assert duration(listed["gpu_seconds"]) == gpu


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("bn-fig3a", {8: r"(\d+) layers at batch size 8,", 64: r" (\d+) at 64,", 256: r" (\d+) at 256"}),
        (
            "bn-fig5a",
            {2.0: r"(\d+) layers at gamma 2,", 1.0: r" (\d+) at 1,", 0.5: r" (\d+) \(beyond the map\) at 0.5"},
        ),
        ("bn-fig5b", {0.0: r"(\d+) layers at beta 0,", 1.0: r" (\d+) at 1,", 2.0: r" (\d+) \(beyond the map\) at 2"}),
    ],
)
def test_a_comments_16_xi_are_the_theorys(name: str, layers: dict[float, str]) -> None:
    comment = re.sub(r"\n#  ", "", available()[name].read_text(encoding="utf-8"))
    for tile in load(name).tiles():
        if (pattern := layers.get(tile[tile["x_axis"]])) is None:
            continue
        phi = activation(tile["activation"], scale=tile["gamma"], shift=tile["beta"])
        xi = depth_scale(phi, tile["batch_size"], eps=tile["eps"]).xi
        found = re.search(pattern, comment)
        assert found, pattern
        assert int(found[1]) == round(16 * xi)


def test_fig_4s_comment_counts_the_layers_that_the_page_measured() -> None:
    comment = re.sub(r"\n#  ", "", available()["bn-fig4"].read_text(encoding="utf-8"))
    small, large = re.findall(r"the first (\d+) of 100 layers at the small learning rate, (\d+) at the large", comment)[
        0
    ]
    page = (ROOT / "docs/figures-bn-trained.md").read_text(encoding="utf-8")
    measured = dict(re.findall(r"^\| 100 \| ([\d.]+) (?:\| [^|]*){3}\| (\d+) \|", page, re.MULTILINE))
    assert measured == {"0.00128": small, "0.128": large}


@pytest.mark.slow
def test_the_pages_costs_are_estimates_too() -> None:
    """Numbers that a page calls an estimate; what it measured is its own."""
    pages = {name: (ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in PAGES}
    maps = sum((estimate(name)[1] for name in BN_MAPS), Cost())
    assert f"about {times(maps)[1]} of one\ndata-centre GPU" in pages["figures-bn-maps"]
    for name in ("bn-fig7", "bn-fig8"):
        _, price = estimate(name)
        flops = f"{price.flops:.2g}".replace("e+", "e")
        assert f"`phasemap run {name} --preset paper`" in pages["figures-bn-trained"]
        assert f"{flops} FLOP: {times(price)[1]} on a data-centre GPU (estimate)" in pages["figures-bn-trained"]
    rows = re.findall(
        r"^\| `(vv-\S+)` \| [^|]* \| (\d+), ([^|]*) \| (\d+), ([^|]*) \|$", pages["figures-vv"], re.MULTILINE
    )
    assert [row[0] for row in rows] == ["vv-fig2-zig", "vv-fig2-zag", "vv-fig3a", "vv-fig3b", "vv-fig3c"]
    for name, quick_networks, quick_core, networks, gpu in rows:
        assert (int(networks), gpu) == (estimate(name)[0], times(estimate(name)[1])[1])
        assert (int(quick_networks), quick_core) == (estimate(name, "quick")[0], times(estimate(name, "quick")[1])[0])
