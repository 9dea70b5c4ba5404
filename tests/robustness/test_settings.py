"""``--set key=value``: what stands behind the sign arrives as it is meant, or is refused in a line."""

from __future__ import annotations

import random
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import Experiment, from_text, load
from phasemap.sweeps.experiments.settings import parse_settings
from phasemap.theory.errors import InputError
from phasemap.train.parameters import TABLE
from tests.robustness.attack import attack, complaints
from tests.robustness.hostile import LITERALS
from tests.robustness.test_yaml import VALUES
from tests.sweeps.fake_backend import FAKE

SEEDS, MANY, THROUGH_THE_DOOR = 80, 6000, 5
TEXTS = [name for name, row in TABLE.items() if row.kind is str]
NUMBERS = [name for name, row in TABLE.items() if row.kind in (int, float)]


def read(setting: str) -> Any:
    """The value of one setting. Fails where it is a mistake."""
    mistakes: dict[str, str] = {}
    (value,) = parse_settings([setting], mistakes).values() or [None]
    assert not mistakes
    return value


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("beta_v=@beta_w", "@beta_w"),
        ('beta_v="@beta_w"', "@beta_w"),
        ("dataset=a #2.npz", "a #2.npz"),
        ("dataset=run: v2.npz", "run: v2.npz"),
        (r"dataset=C:\Users\me\new\x.npz", r"C:\Users\me\new\x.npz"),
        ("dataset=[old].npz", "[old].npz"),
        ("dataset={x}.npz", "{x}.npz"),
        ("dataset='it''s'.npz", "'it''s'.npz"),
        ("dataset='a #2.npz'", "a #2.npz"),
        ("dataset=100%.npz", "100%.npz"),
        ("dataset=- a.npz", "- a.npz"),
        ("dataset=a=b.npz", "a=b.npz"),
        ("dataset=2024-01-01", "2024-01-01"),
        ("experiment=007", "007"),
        ("experiment=yes", "yes"),
        ("experiment=1e-3", "1e-3"),
        ("experiment=*", "*"),
        ("experiment=&a", "&a"),
        ("experiment=!x", "!x"),
        ("experiment=größe λ", "größe λ"),
        ("activation=[relu, tanh]", ["relu", "tanh"]),
        ("activation=[007, yes, C:\\x.py:f]", ["007", "yes", "C:\\x.py:f"]),
        ("monitor=[null, step]", [None, "step"]),
        ("monitor=null", None),
        ("lr=", None),
        ("lr=0.1", 0.1),
        ("lr=1e-3", "1e-3"),
        ("steps=010", "010"),
        ("steps=1:30", "1:30"),
        ("seed=[0, 010, 2]", [0, "010", 2]),
        ("depth=[4, 8]", [4, 8]),
        ("depth=4,8", "4,8"),
        ("depth=(4, 8)", "(4, 8)"),
        ("lr={min: 1, max: 2}", "{min: 1, max: 2}"),
        ("train_bn=false", False),
        ("width= 16 ", 16),
    ],
)
def test_what_is_meant(setting: str, expected: Any) -> None:
    assert read(setting) == expected
    assert type(read(setting)) is type(expected)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("lr=[1", "--set lr=[1:1: not valid YAML: "),
        ("lr=[]", "--set lr=[]: lr: expected at least one value"),
        ("lr=[[1]]", "--set lr=[[1]]: lr: [1]: expected a scalar; a stacked axis is a list of scalars"),
        (
            "seed=99999999999999999999",
            "--set seed=99999999999999999999: seed: 99999999999999999999: expected a whole number",
        ),
        ("dataset=\udcff.npz", r"--set dataset=\udcff.npz: is not UTF-8 text"),
    ],
)
def test_what_is_refused(setting: str, expected: str) -> None:
    mistakes: dict[str, str] = {}
    assert not parse_settings([setting], mistakes)
    (message,) = mistakes
    assert message.startswith(expected)


def test_the_last_setting_of_a_parameter_counts() -> None:
    """As of every option: what a script gives, its caller can give otherwise."""
    mistakes: dict[str, str] = {}
    assert parse_settings(["lr=0.1", "lr=0.1", "lr=0.2"], mistakes) == {"lr": 0.2}
    assert not mistakes


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1)


@given(
    st.sampled_from(TEXTS),
    PRINTABLE.filter(lambda text: text[0] not in "['\"" and text not in ("~", "null", "Null", "NULL")),
)
@settings(max_examples=100)
def test_a_text_arrives_letter_by_letter(name: str, text: str) -> None:
    assert read(f"{name}={text}") == text


@given(st.sampled_from(TEXTS), PRINTABLE)
@settings(max_examples=100)
def test_a_text_in_quotes_arrives_as_yaml_has_it(name: str, text: str) -> None:
    quoted = yaml.safe_dump(text, default_style='"', width=10**6, allow_unicode=True).strip()
    assert read(f"{name}={quoted}") == text


@given(
    st.sampled_from(NUMBERS), st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
@settings(max_examples=100)
def test_a_number_arrives(name: str, number: float) -> None:
    assert type(number)(read(f"{name}={number!r}")) == number


def setting(rng: random.Random) -> str:
    """A setting with something wrong with it, perhaps."""
    name = rng.choice([*TABLE, "widht", "", "x-axis"])
    value = rng.choice([*VALUES, *LITERALS, "".join(rng.choices(string.printable, k=rng.randrange(20)))])
    if rng.random() < 0.3:
        value = f"[{value}, {rng.choice(VALUES)}]"
    return f"{name}{rng.choice(['=', '=', '=', '', ' = ', '=='])}{value}".replace("\0", "")


def wrong_with(seed: int) -> str | None:
    """What goes wrong with a setting; None where it is taken, or refused in lines."""
    rng = random.Random(seed)
    given_settings = [setting(rng) for _ in range(rng.choice([1, 1, 2]))]
    try:
        experiment = load("bn-fig3a", rng.choice(["smoke", "paper"]), given_settings)
        plan(experiment, at_work=["cpu"], trainer=FAKE)
    except InputError as error:
        return None if all(error.messages) else f"{given_settings}: an empty message"
    except BaseException as error:
        return f"{given_settings}: {type(error).__name__}: {error}"[:1000]
    return None if same_again(experiment) else f"{given_settings}: read again, it is another"


def same_again(experiment: Experiment) -> bool:
    """Whether the file of the experiment says the same."""
    again = from_text(experiment.text(), name=experiment.name, preset=experiment.preset, source="again")
    return again.tiles() == experiment.tiles()


def test_a_strange_setting_is_taken_or_refused() -> None:
    assert not [wrong for seed in range(SEEDS) if (wrong := wrong_with(seed))]


@pytest.mark.slow
def test_strange_settings_by_the_thousand() -> None:
    assert not [wrong for seed in range(SEEDS, MANY) if (wrong := wrong_with(seed))]


def test_the_command_line_says_so(tmp_path: Path) -> None:
    for seed in range(THROUGH_THE_DOOR):
        strange = setting(random.Random(seed))
        outcome = attack("run", "bn-fig3a", "--preset", "smoke", "--check", "--set", strange[:100_000], folder=tmp_path)
        assert not complaints(outcome), strange[:200]
