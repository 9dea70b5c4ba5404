"""Every command of the README and the guides is run, in the order of the page, as a reader would.

The README's networks are trained for real. The guides' come from the fake trainer: everything around it is real, but no
worker process spends seconds importing torch.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

import phasemap.command_line
import phasemap.sweeps.execution.one_tile
import phasemap.sweeps.execution.run
from tests import ROOT
from tests.sweeps.fake_backend import NAME
from tests.sweeps.wandb_bridge.wandb_server import WandbServer

PAGES = [
    "README.md",
    *(
        f"docs/{name}.md"
        for name in (
            "run",
            "wandb-sweep",
            "gpu-workstation",
            "theory-guide",
            "theory",
            "theory-mlp",
            "learning-rate",
            "python",
            "report",
            "advise",
            "probe",
        )
    ),
]
# What makes a reader's minutes a test's seconds: fewer, smaller and shorter networks, and the data that are embedded.
SHORTER = [
    "--set",
    "dataset=digits",
    "--set",
    "steps=3",
    "--set",
    "width=8",
    "--set",
    "depth=[2, 4]",
    "--set",
    "seed=0",
]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def saved(page: str) -> dict[str, str]:
    """The files that the page has its reader save."""
    found = re.findall(
        r"[Ss]ave this as `(\S*?)`.*?^```\w+\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE
    )
    assert len(found) >= len(blocks(page, "yaml"))
    return dict(found)


def commands(page: str) -> list[list[str]]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def phasemap_commands() -> list[tuple[str, list[str]]]:
    return [(page, words[1:]) for page in PAGES for words in commands(page) if words[0] == "phasemap"]


def run(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        phasemap.command_line.main(arguments)
    assert ended.value.code == 0, arguments


def shortened(arguments: list[str]) -> list[str]:
    """The same command on a grid of seconds, on this machine's processor."""
    if "--devices" in arguments:
        place = arguments.index("--devices") + 1
        arguments = [*arguments[:place], "cpu", *arguments[place + 1 :]]
    if arguments[0] == "probe":
        return ["8" if word == "128" else word for word in arguments]
    if arguments[0] not in ("run", "sweep") or arguments[1].endswith(".yaml"):
        return arguments
    axis = [] if "batch_size" in " ".join(arguments) else ["--set", "batch_size=[6, 8]"]
    one_process = ["--workers", "1"] if arguments[0] == "run" else []
    return [*("smoke" if word == "quick" else word for word in arguments), *SHORTER, *axis, *one_process]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[] if page == "README.md" else pytest.mark.slow)
        for page in PAGES
        if page != "docs/wandb-sweep.md"
    ],
)
def test_commands_of_a_page(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page != "README.md":
        fake_run = functools.partial(phasemap.sweeps.execution.run.run_experiment, trainer=NAME)
        monkeypatch.setattr(phasemap.sweeps.execution.run, "run_experiment", fake_run)
        fake_tile = functools.partial(phasemap.sweeps.execution.one_tile.train_one_tile, trainer=NAME)
        monkeypatch.setattr(phasemap.sweeps.execution.one_tile, "train_one_tile", fake_tile)
    for name, text in saved(page).items():
        (tmp_path / name).write_text(text.replace("steps: {value: 100}", "steps: {value: 3}"))
    for _, arguments in [entry for entry in phasemap_commands() if entry[0] == page]:
        run(shortened(arguments))
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), {})


def test_other_commands_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for page in PAGES:
        for words in commands(page):
            assert words[0] in ("phasemap", "docker", "make", "mkdir", "wandb"), words
            if words[0] == "make":
                assert words[1] in targets


def test_links_lead_somewhere() -> None:
    for page in ["README.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / page).read_text()):
            if "://" not in target:
                assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Read the `app_url` setting:DeprecationWarning")  # W&B's own use of its settings
def test_wandb_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the real client and agent, against a server on the loopback interface."""
    server = WandbServer()
    for name, value in server.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    sweep = "ENTITY/PROJECT/SWEEP"
    try:
        for page, arguments in phasemap_commands():
            if page == "docs/wandb-sweep.md":
                run([word.replace("ENTITY/PROJECT/SWEEP", sweep) for word in shortened(arguments)])
                if arguments[0] == "sweep":
                    sweep = capsys.readouterr().out.splitlines()[-1]
    finally:
        server.stop()
