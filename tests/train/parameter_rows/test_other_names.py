"""Who writes the name of another library is told the one of here: in ``--set``, a file, `phasemap train`, an axis."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasemap.sweeps.experiments.arguments import raw_parameters
from phasemap.sweeps.experiments.experiment import load
from phasemap.theory.errors import InputError
from phasemap.train.parameter_rows.other_names import _plain, unknown
from phasemap.train.parameters import TABLE, normalise
from tests.robustness.attack import YAML

USUAL = {
    "learning_rate": "lr",
    "learning-rate": "lr",
    "LearningRate": "lr",
    "bs": "batch_size",
    "batchsize": "batch_size",
    "n_layers": "depth",
    "num_layers": "depth",
    "num-epochs": "epochs",
    "max_epochs": "epochs",
    "epoch": "epochs",
    "n_iterations": "steps",
    "sigma": "sigma_w",
    "phi": "activation",
    "act": "activation",
    "hidden_size": "width",
    "random_state": "seed",
    "epsilon": "eps",
}


@pytest.mark.parametrize(("theirs", "ours"), USUAL.items())
def test_the_usual_names(theirs: str, ours: str, tmp_path: Path) -> None:
    said = f"did you mean {ours}?"
    mine = tmp_path / "mine.yaml"
    mine.write_text(YAML)
    with pytest.raises(InputError, match=said) as set_wrong:
        load(str(mine), settings=[f"{theirs}=1"]).tiles()
    assert len(set_wrong.value.messages) == 1
    mine.write_text(YAML + f"  {theirs}: {{value: 1}}\n")
    with pytest.raises(InputError, match=said):
        load(str(mine)).tiles()
    with pytest.raises(InputError, match=said):
        normalise(raw_parameters([f"--{theirs}", "1"]))
    with pytest.raises(InputError, match=f"x_axis.*{said}"):
        normalise({"x_axis": theirs, "lr": 0.1, "steps": 1})


def test_no_other_name_is_a_parameter_or_has_two_meanings() -> None:
    names = Counter(_plain(name) for own, row in TABLE.items() for name in (own, *row.other_names))
    assert [name for name, times in names.items() if times > 1] == []


@given(st.sampled_from([(other, own) for own, row in TABLE.items() for other in row.other_names]), st.randoms())
def test_other_names_count_whatever_the_spelling(pair: tuple[str, str], random: object) -> None:
    other, own = pair
    spelt = "".join(letter.upper() if random.random() < 0.5 else letter for letter in other)  # type: ignore[attr-defined]
    spelt = spelt.replace("_", random.choice(["_", "-", ""]))  # type: ignore[attr-defined]
    assert unknown(spelt, TABLE).endswith(f"did you mean {own}?")


def test_nothing_is_proposed_for_what_is_like_nothing() -> None:
    assert unknown("qqq", TABLE) == "unknown parameter 'qqq'"
