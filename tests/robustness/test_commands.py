"""Every command with every option at values that nobody thought of: the answer is right, or one line says why not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from phasemap.train.parameters import TABLE
from tests.robustness.attack import YAML, attack, complaints

NUMBERS = (
    *("0", "-0", "1", "-1", "0.5", "3.7", "100", "1e3", "1e5", "1e6", "1e7", "1e9", "1e15", "1e20", "1e154", "1e300"),
    *("1e-3", "1e-6", "1e-8", "1e-20", "1e-160", "1e-300", "-1e-300", "5e-324", "-1e300", "1e308", "1.8e308", "1e400"),
    *(
        "inf",
        "-inf",
        "nan",
        "",
        " ",
        "٣",
        "１２",
        "abc",
        "0x10",
        "1_000",
        "1,5",
        "1" + "0" * 400,
        "9" * 5000,
        "--",
        "½",
    ),
)
WHOLES = (
    *("1", "2", "3", "4", "5", "7", "64", "1000", "20000", "1000000"),
    *("0", "-1", "-5", "1.5", "1e3", "1000001", "1000000000", "9223372036854775807", "9223372036854775808"),
    *("18446744073709551616", "1" + "0" * 30, "1" + "0" * 400, "9" * 5000, "", "٣", "abc", "inf", "nan", "0x1f", "1_0"),
)
NO_WHOLES, NO_NUMBERS = WHOLES[10:], (*NUMBERS[10:16], *NUMBERS[20:34])
"""Without what a sound command line might hold: where a sound one takes seconds."""
SIZES = (*WHOLES, "4,8", "8,", "8,inf", ",", "inf,inf", "3," * 200 + "3", "-inf", "8, 16", "8;16")
ACTIVATIONS = ("relu", "leaky-relu", "alpha-relu", "tanh", "erf", "sin", "identity", "abs")
"""Those whose theory is a closed form."""
TEXTS = (
    "",
    " ",
    "x",
    "RELU",
    "a" * 5000,
    "\x1b[31m",
    "relu\n",
    "..",
    "file.py:x",
    ":",
    "$(ls)",
    "ρελυ",
    "-",
    "nan",
    "%s",
)
WIDTHS = (
    *(
        "2048",
        "9" * 400,
        "9" * 5000,
        "0",
        "-1",
        "64;64",
        "64;",
        ";",
        "2048/2@16,25",
        "2048/2@m^2:4-9",
        "2048/exp(A)@n^2",
    ),
    *("2048/1e-300@1", "2048/1e300@1", "2048/0@1", "2048/nan@3", "2048/inf@3", "1/0.5@m^2:1-10", "2048/2@" + "9" * 50),
    *(
        "2048/2@m^2:1-1000000000",
        "2048/2@m^2:9-1",
        "2048/1e-5@1,2,3,4,5,6,7",
        "2048/1.0000001@1",
        "64,64,32",
        "1e3",
        "",
    ),
)
PLACES = ("", ".", "/", "/dev/null/x", "no/such/folder/x", "a" * 300, "x\ny.csv", "/proc/x")
ACTIVATION = {"--activation": (*ACTIVATIONS, *ACTIVATIONS, *TEXTS), "--slope": NUMBERS, "--alpha": NUMBERS}
RESIDUAL = {
    **ACTIVATION,
    **{f"--{what}-{letter}": NUMBERS for what in ("sigma", "beta", "depth-scaling") for letter in "wbva"},
    **dict.fromkeys(("--p0", "--gamma0"), NUMBERS),
    "--widths": WIDTHS,
}
Options = dict[str, tuple[str, ...]]
COMMANDS: tuple[tuple[int, tuple[str, ...], Options], ...] = (
    (
        8,
        ("theory", "batchnorm"),
        {
            **ACTIVATION,
            "--batch-size": SIZES,
            **dict.fromkeys(("--beta", "--gamma", "--shift", "--scale", "--eps", "--sigma-w", "--sigma-b"), NUMBERS),
            "--method": ("auto", "laplace", "gegenbauer", "spherical", *TEXTS),
        },
    ),
    (8, ("theory", "resnet"), {**RESIDUAL, "--depth": WHOLES, "--inputs": WHOLES}),
    (
        8,
        ("theory", "mlp"),
        {
            **ACTIVATION,
            **dict.fromkeys(("--sigma-b", "--keep", "--eps", "--q0", "--c0"), NUMBERS),
            "--sigma-w": (*NUMBERS, "1,2", "1,,2", "1e6,1e-6", ",", "1," * 200 + "1", "1, 2", "1;2"),
            "--norm": ("none", "layer", "layer", *TEXTS),
            "--layers": WHOLES,
        },
    ),
    (
        4,
        ("theory", "mlp", "--critical"),
        {**ACTIVATION, "--sigma-b": NUMBERS, "--eps": NUMBERS, "--norm": ("layer", *TEXTS)},
    ),
    (
        1,
        ("theory", "figure", "vv-fig1"),
        {"--networks": NO_WHOLES, "--width": NO_WHOLES, "--seed": (*NO_WHOLES[1:3], *TEXTS), "--style": TEXTS},
    ),
    (
        2,
        ("advise", "--arch", "resnet"),
        {
            **RESIDUAL,
            "--depth": ("5", "40", *NO_WHOLES),
            "--quantity": ("p", "s", "e", "chi", "chi_w", "gradient_spread", *TEXTS),
            **dict.fromkeys(("--level", "--least", "--lr"), NUMBERS),
        },
    ),
    (
        2,
        ("advise",),
        {
            "--depth": NO_WHOLES,
            "--batch-size": NO_WHOLES,
            **dict.fromkeys(("--gamma", "--beta", "--eps", "--kappa", "--kappa-vanishing", "--sigma-w"), NO_NUMBERS),
            "--map": TEXTS,
            "--arch": TEXTS,
        },
    ),
    (
        2,
        ("probe", "net.py:make"),
        {
            "--input": ("6", "3,2", *NO_WHOLES, "1," * 100 + "1", "2,-3", "1000000,1000000", ",", "٣,2"),
            "--batch-size": WHOLES,
            "--seed": WHOLES,
            "--samples": PLACES,
            "--mode": TEXTS,
            "--device": (*TEXTS, "cuda:0", "cuda:" + "9" * 30, "meta", "xla", "mps"),
            "--plot": (*PLACES, "x.png", "no/x.png"),
        },
    ),
    (1, ("bench", "--rows", "none"), {"--repeats": WHOLES, "--device": (*TEXTS, *NO_WHOLES), "--out": PLACES}),
    (1, ("bench",), {"--table": PLACES[1:], "--into": PLACES[1:]}),
    (1, ("compare", "nowhere", "there"), {"--metric": TEXTS, "--out": PLACES}),
    (1, ("export", "nowhere"), {"--format": TEXTS, "--out": PLACES}),
    (1, ("report", "nowhere"), {"--style": TEXTS, "--out": PLACES}),
    (1, ("parameters",), {}),
    (
        1,
        ("run", "mine.yaml", "--check"),
        {"--workers": WHOLES, "--devices": (*TEXTS, *WHOLES, "0,0", "0-3"), "--preset": TEXTS, "--executor": TEXTS},
    ),
)
NET = """from torch import nn


def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
"""


def setting(rng: random.Random) -> str:
    """``key=value`` of any parameter."""
    name = rng.choice(list(TABLE))
    value = rng.choice(rng.choice([NUMBERS, WHOLES, WIDTHS if name == "widths" else TEXTS]))
    return f"{name}={rng.choice([value, value, value, f'[{value}, 2]', f'[{value}]', 'null', '[1, null]', '@depth'])}"


def command(rng: random.Random) -> list[str]:
    """A command line: one to three options have a value that nobody thought of."""
    if rng.random() < 0.25:
        found = ["run", "mine.yaml", "--check"]
        if rng.random() < 0.3:
            found += ["--set", f"architecture={rng.choice(['resnet', 'bn-resnet', 'vgg19-bn'])}"]
        return found + [word for _ in range(rng.choice([1, 1, 2])) for word in ("--set", setting(rng))]
    _, start, options = rng.choices(COMMANDS, [weight for weight, *_ in COMMANDS])[0]
    found = list(start)
    for name in rng.sample(list(options), min(len(options), rng.choice([1, 1, 1, 2, 2, 3]))):
        value = rng.choice(options[name])
        found += [f"{name}={value}"] if rng.random() < 0.5 else [name, value]
    if start in (("advise",), ("advise", "--arch", "resnet")) and not any("--depth" in word for word in found):
        found += ["--depth", "9"]
    if start == ("advise",) and not any("=" in word or word in NO_NUMBERS or word in NO_WHOLES for word in found):
        found += ["--gamma", "nan"]
    if (
        start[:2] in (("theory", "batchnorm"), ("theory", "resnet"), ("theory", "mlp"), ("advise",))
        and rng.random() < 0.5
    ):
        found.append("--json")
    if start == ("parameters",):
        found.append(rng.choice([*TEXTS, *TABLE]))
    return found


def strict(text: str) -> None:
    """Raises ValueError for what is no JSON, or has NaN or Infinity."""

    def no(constant: str) -> Any:
        raise ValueError(constant)

    json.loads(text, parse_constant=no)


def tried(folder: Path, seed: int, count: int) -> list[str]:
    (folder / "mine.yaml").write_text(YAML)
    (folder / "net.py").write_text(NET)
    rng, found = random.Random(seed), []
    for number in range(count):
        words = command(rng)
        outcome = attack(*words, folder=folder)
        wrong = complaints(outcome)
        if "--json" in words and outcome.code == 0:
            try:
                strict(outcome.out)
            except ValueError as error:
                wrong.append(f"{words}: no strict JSON: {error}")
        if outcome.code == 2:
            lines = [line for line in outcome.err.splitlines() if line.startswith("phasemap")]
            wrong += [f"{words}: {len(line)} characters: {line[:500]}" for line in lines if len(line) > 2000]
        found += [f"{seed}/{number} {line}" for line in wrong]
    return found


def test_commands(tmp_path: Path) -> None:
    assert not tried(tmp_path, 0, 60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_many_commands(tmp_path: Path, seed: int) -> None:
    assert not tried(tmp_path, seed, 300)
