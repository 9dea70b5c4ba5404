"""An experiment that was changed to another figure does not keep that figure's description."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.sweeps.experiments.experiment import PAPER, available, departures_from, load, presets_of
from phasemap.sweeps.report.templates import lead
from phasemap.theory.activations import BUILT_IN

WITH_PHI = [name for name in available() if "activation" in load(name).parameters]


@pytest.mark.parametrize("name", available())
def test_no_preset_departs_from_its_own_figure(name: str) -> None:
    for preset in (PAPER, *presets_of(available()[name])):
        experiment = load(name, preset)
        assert departures_from(available()[name], experiment.parameters) == {}
        assert experiment.document["description"] == load(name).document["description"]


@given(st.sampled_from(WITH_PHI), st.sampled_from(BUILT_IN))
@settings(max_examples=10)
def test_another_activation_takes_the_old_ones_name_away(name: str, phi: str) -> None:
    usual = load(name).parameters["activation"]
    experiment = load(name, "quick", [f"activation={phi}", "seed=[5]", "lr=0.5"])
    shown = " ".join([experiment.document["description"], *lead(name, experiment.text())])
    if phi == usual:
        assert experiment.document["description"] == load(name).document["description"]
        return
    assert f"activation {phi} (there {usual})" in shown
    left = shown.replace(f"(there {usual})", "")
    assert set(re.findall("relu|tanh", left.lower())) <= set(re.findall("relu|tanh", phi))


@pytest.mark.parametrize(
    ("setting", "departs"),
    [
        ("optimizer=rmsprop", True),
        ("x_axis=eps", True),
        ("overlay=none", True),
        ("sigma_w=1.5", True),
        ("eps=1e-3", False),  # another spelling of the same number
        ("dataset=cifar10", True),
        ("dataset=digits", False),  # a preset's
        ("train_size=500", False),
        ("batch_size=[7]", False),
        ("steps=7", False),
        ("dtype=float64", False),
    ],
)
def test_what_makes_another_figure(setting: str, departs: bool) -> None:
    changed = load("bn-fig3a", "quick", [setting]).document["description"] != load("bn-fig3a").document["description"]
    assert changed == departs


def test_a_data_set_is_no_part_of_a_description() -> None:
    for name in available():
        assert not re.search("mnist|cifar|digits", str(load(name).document["description"]), re.IGNORECASE)
