"""Sweep files of somebody else: every one is read within bounds, or refused with lines that name the place."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import available, load
from phasemap.sweeps.experiments.yaml_document import MOST_NODES, read_yaml
from phasemap.theory.errors import InputError
from tests.robustness.attack import attack, complaints
from tests.robustness.hostile import damaged
from tests.sweeps.fake_backend import FAKE

SEEDS, MANY, THROUGH_THE_DOOR = 150, 5000, 5
SECONDS = 10

MINE = """\
program: phasemap
command: ["${env}", "${program}", train, "${args_json}"]
method: grid
metric: {name: test_accuracy, goal: maximize}
parameters:
  x_axis: {value: batch_size}
  depth:
    value: [2, 3]
    distribution: constant
  batch_size: {values: [8, 16], distribution: categorical}
  lr: {value: 1e-2}
  steps: {value: 5}
  seed: {value: [0, 1]}
"""

VALUES = (
    *(
        "",
        "~",
        "null",
        "true",
        "yes",
        "0",
        "-1",
        "1e400",
        ".inf",
        "-.inf",
        ".nan",
        "0x10",
        "010",
        "0b",
        "1_000",
        "1:30",
        "1:99:99",
    ),
    *(
        "2024-01-01",
        "2024-13-45",
        "2024-01-01T99:99:99Z",
        "9" * 30,
        "9" * 400,
        "9" * 6000,
        "1e-400",
        "'x'",
        '"\\ud800"',
        '"\\x00"',
    ),
    *(
        "'unclosed",
        '"unclosed',
        "[",
        "]",
        "{",
        "}",
        "[1, 2",
        "{a: 1",
        "[[1], 2]",
        "[]",
        "{}",
        "[1, 1]",
        "[null, 1]",
        "[1, 'a', true]",
    ),
    *(
        "*x",
        "&x 1",
        "&x [*x]",
        "&x {a: *x}",
        "*nowhere",
        "<<: *x",
        "{<<: 1}",
        "{<<: [1]}",
        "[1, 2]: 3",
        "{[1]: 2}",
        "? [a]",
        "!!int x",
    ),
    *(
        "!!python/object/apply:os.getcwd []",
        "!!binary x",
        "!!set {a}",
        "!!omap [a: 1]",
        "!!timestamp x",
        "!!float ''",
        "!!bool 1",
        "!a b",
    ),
    *(
        "{value: 1}",
        "{values: [1, 2]}",
        "{values: 3}",
        "{value: {a: 1}}",
        "{values: [[1]]}",
        "{min: 1, max: 3}",
        "{value: 1, values: [2]}",
    ),
    *(
        "{distribution: constant}",
        "{distribution: normal, mu: 0, sigma: 1}",
        "{values: [8], probabilities: [1]}",
        "{parameters: {a: {value: 1}}}",
    ),
    *(
        "{value: 8, distribution: categorical}",
        "{values: [8, 16], distribution: [1]}",
        "- a\n  - b",
        "|\n  a\n  b",
        "@depth",
        "`x`",
        "%x",
        "#",
        ": ",
    ),
    *(
        "[" * 20 + "]" * 20,
        "[" * 40 + "]" * 40,
        "[" * 5000,
        "{a: " * 3000,
        "- " * 3000,
        "? " * 3000,
        "x" * 20_000,
        "[" + "0, " * 30_000 + "1]",
    ),
)
KEYS = (
    *(
        "early_terminate: {type: hyperband}",
        "controller: {type: local}",
        "run_cap: 3",
        "run_cap: x",
        "kind: sweep",
        "name: [1]",
        "name: 3",
    ),
    *(
        "program: train.py",
        "command: ''",
        "command: [[1]]",
        "metric: 3",
        "method: bayes",
        "method: [grid]",
        "parameters: 3",
        "parameters: {}",
    ),
    *(
        "1: 2",
        "null: 1",
        "true: 1",
        "? [1]\n: 2",
        "description: {a: 1}",
        "depth: {value: 3}",
        "---",
        "...",
        "%YAML 1.1",
        "\t",
        "<<: *x",
    ),
)


def mutated(text: str, rng: random.Random) -> str:
    """The text with one or a few things changed, as people and programs change it."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        line = lines[at]
        match rng.randrange(12):
            case 0:
                lines[at] = damaged(line.encode() or b"#", rng).decode("utf-8", "replace")
            case 1:
                lines.insert(rng.randrange(len(lines)), line)  # twice
            case 2:
                del lines[at]
            case 3:
                lines[at] = " " * rng.randrange(5) + line
            case 4 | 5 if ":" in line:
                lines[at] = f"{line.partition(':')[0]}: {rng.choice(VALUES)}"
            case 6:
                lines.insert(at, rng.choice(KEYS))
            case 7:
                lines.insert(
                    at, f"  {rng.choice(['width', 'depth', 'gamma', 'dataset', 'x_axis', '3'])}: {rng.choice(VALUES)}"
                )
            case 8 | 9 | 10 if ":" in line:
                entry = rng.choice(
                    ["{{value: {}}}", "{{values: [{}]}}", "{{values: [8, {}, 16]}}", "{{value: [{}, 3]}}"]
                )
                lines[at] = f"{line.partition(':')[0]}: {entry.format(rng.choice(VALUES))}"
            case _:
                words = line.split(" ")
                words[rng.randrange(len(words))] = rng.choice(VALUES)
                lines[at] = " ".join(words)
        text = "\n".join(lines)
    return text


def bomb(rng: random.Random) -> str:
    """Aliases that stand for much, or lead back to themselves."""
    wide, deep = rng.choice([2, 9, 40]), rng.choice([3, 9, 30, 200])
    what = rng.choice(["[{}]", "{{{}}}", "{{<<: [{}]}}"])
    lines = ["a0: &a0 " + rng.choice(["[1, 2]", "{b: 1}", "x", "[*a0]"])]
    for level in range(1, deep):
        inner = [f"*a{rng.choice([level - 1, level - 1, level])}"] * wide
        inner = [f"k{i}: {alias}" for i, alias in enumerate(inner)] if what == "{{{}}}" else inner
        lines.append(f"a{level}: &a{level} " + what.format(", ".join(inner)))
    return "\n".join([*lines, MINE, f"  width: {{values: *a{deep - 1}}}"])


def sweep_file(seed: int) -> str:
    """A sweep file with something wrong with it, perhaps."""
    rng = random.Random(seed)
    if seed % 20 == 0:
        return bomb(rng)
    built_in = [path.read_text() for path in available().values()]
    return mutated(rng.choice([MINE, MINE, MINE, *built_in]), rng)


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Ends what takes longer."""

    def late(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds * 6)  # of the wall's time, on a busy machine
    started = time.process_time()
    try:
        yield
        assert time.process_time() - started < seconds
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def wrong_with(path: Path, text: str) -> str | None:
    """What goes wrong when the file is read and planned; None where it is read, or refused by lines that name it."""
    path.write_text(text, encoding="utf-8")
    try:
        with limited(SECONDS):
            try:
                experiment = load(str(path))
                plan(experiment, at_work=["cpu"], trainer=FAKE)
            except InputError as error:
                bad = [line for line in error.messages if not line.strip() or "\n" in line or len(line) > 3000]
                return f"a message: {bad[0][:300]!r}" if bad or not error.messages else None
            else:
                again = read_yaml(experiment.text(), "again")  # what a folder keeps can be read again
                assert again.value == experiment.document
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return None


def test_a_changed_file_is_read_or_refused(tmp_path: Path) -> None:
    found = {seed: wrong_with(tmp_path / "x.yaml", sweep_file(seed)) for seed in range(SEEDS)}
    assert not {seed: wrong for seed, wrong in found.items() if wrong}


@pytest.mark.slow
def test_changed_files_by_the_thousand(tmp_path: Path) -> None:
    found = {seed: wrong_with(tmp_path / "x.yaml", sweep_file(seed)) for seed in range(SEEDS, MANY)}
    assert not {seed: wrong for seed, wrong in found.items() if wrong}


def test_the_command_line_says_so_in_one_line(tmp_path: Path) -> None:
    for seed in range(THROUGH_THE_DOOR):
        (tmp_path / "x.yaml").write_text(sweep_file(seed), encoding="utf-8")
        assert not complaints(attack("run", "x.yaml", "--check", folder=tmp_path)), seed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a [*a]", "x.yaml:1: aliases lead deeper than 32 times, or in a circle"),
        ("a: " + "[" * 40, "x.yaml:1: nested more than 32 times"),
        (f"a: [{'0, ' * (MOST_NODES + 1)}]", "x.yaml:1: more than 100,000 entries"),
        (
            "a: 1\nb:\n  c: 1\n  c: 2\na: 3",
            "x.yaml:5: a: stands twice, in lines 1 and 5\nx.yaml:4: c: stands twice, in lines 3 and 4",
        ),
        ("[1]: 2", "x.yaml:1: not valid YAML: found unhashable key"),
        ("a:\n  b: !!int x", "x.yaml:2: not valid YAML: 'x' is no int"),
    ],
)
def test_bounds(text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml(text, "x.yaml")
    assert "\n".join(caught.value.messages) == expected


def test_aliases_and_merge_keys_are_read_and_dates_are_texts() -> None:
    text = "a: &a [1, 2]\nb: *a\nc: &c {d: 1, e: 2}\nf: {<<: *c, e: 3}\ng: 2024-13-45"
    expected = {"a": [1, 2], "b": [1, 2], "c": {"d": 1, "e": 2}, "f": {"d": 1, "e": 3}, "g": "2024-13-45"}
    assert read_yaml(text, "x.yaml").value == expected
