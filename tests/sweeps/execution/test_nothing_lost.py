"""A full disk, damaged files, kills at any moment: nothing is lost, nothing is trained twice but what was in flight."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.sources.status import of_folder
from tests.sweeps.runs import ROOT, exported, run_fake, session_alive, start_fake, trainings, wait_for, write_experiment


def test_a_full_disk_stops_the_run_and_damages_nothing(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trouble").write_text("12 full\n")
    assert run_fake(six, tmp_path / "out", workers=1) == 1
    assert "No space left on device; free some space and start again" in capfd.readouterr().err
    status = of_folder(tmp_path / "out")
    assert not status.problems
    assert status.cells["failed"] == 0
    (tmp_path / "trouble").unlink()
    assert run_fake(six, tmp_path / "out") == 0


def test_a_really_full_disk(tmp_path: Path) -> None:
    """A tmpfs too small for the results, in a name space of its own."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from tests.sweeps.runs import *\n"
        "from contextlib import suppress; from phasemap.command_line import main\n"
        "from phasemap.sweeps.sources.status import of_folder\n"
        "out, filler = Path('disk/out'), Path('disk/filler')\n"
        "filler.write_bytes(b'x' * 200_000)\n"
        "first = run_fake(write_experiment(Path('e.yaml'), 30), out, workers=2)\n"
        "status = of_folder(out)\n"
        "assert first == 1 and not status.problems and not status.complete, (first, status)\n"
        "results = [file.read_bytes() for file in sorted((out / 'tiles').iterdir())]\n"
        "free = b'x' * 4096\n"
        "with suppress(OSError), Path('disk/more').open('wb', 0) as more:\n"
        "    while more.write(free): pass\n"
        "for arguments in ('csv', 'netcdf'):\n"
        "    try: main(['export', str(out), '--format', arguments, '--out', f'disk/cells.{arguments}'])\n"
        "    except SystemExit as ended: assert ended.code == 1\n"
        "    assert not list(Path('disk').glob('*cells*'))\n"
        "assert results == [file.read_bytes() for file in sorted((out / 'tiles').iterdir())]\n"
        "filler.unlink(), Path('disk/more').unlink()\n"
        "assert run_fake(Path('e.yaml'), out) == 0 and of_folder(out).complete\n"
    )
    (tmp_path / "disk").mkdir()
    mounted = 'mount -t tmpfs -o size=256k,nr_inodes=1000 tmpfs disk && exec "$@"'
    probe = (
        subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
        if shutil.which("unshare")
        else None
    )
    if probe is None or probe.returncode:
        pytest.skip("no private mounts here")
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, "sh", sys.executable, "-c", script, str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "No space left on device; free some space" in ended.stderr
    assert len(re.findall(r"phasemap: error: .*: No space left on device$", ended.stderr, re.MULTILINE)) == 2


def test_damaged_foreign_and_newer_files_are_reported_and_trained_again(
    six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run_fake(six, out)
    undisturbed = exported(out)
    first, second, third, *rest = sorted((out / "tiles").iterdir())
    first.write_bytes(first.read_bytes()[:100])
    second.write_bytes(rest[0].read_bytes())
    newer = third.read_text().replace('"schema": 1', '"schema": 2')
    third.write_text(newer)
    (out / "tiles" / "stray.json").write_text("{}")
    log.unlink()
    capfd.readouterr()
    assert run_fake(six, out, quiet=True) == 0
    said = capfd.readouterr().err
    assert f"damaged result file {first.name}: it is not whole JSON; it will be trained again" in said
    assert f"foreign result file {second.name}" in said
    assert "foreign result file stray.json: it has no content and provenance; it is left alone" in said
    assert f"newer result file {third.name}: schema 2; this program reads 1 to 1; it is kept in newer/" in said
    assert (out / "newer" / third.name).read_text() == newer
    assert len(trainings(log)[0]) == 3
    assert exported(out) == undisturbed
    assert (out / "tiles" / "stray.json").exists()


def contents(out: Path) -> dict[str, Any]:
    """What the folder's results hold, by file."""
    return {path.name: json.loads(path.read_text())["content"] for path in (out / "tiles").glob("*.json")}


@pytest.mark.slow
def test_chaos(tmp_path: Path, log: Path) -> None:
    """60 tiles, 4 workers; workers and groups are killed at random; nothing is lost, damaged or trained in vain."""
    experiment = write_experiment(tmp_path / "sixty.yaml", 60)
    run_fake(experiment, tmp_path / "calm", workers=4)
    log.unlink()
    rng, out = random.Random(0), tmp_path / "out"
    killed_groups = killed_workers = 0
    safe: dict[str, int] = {}  # tiles whose results were there when a group was killed: how often they had been started
    for _ in range(5):
        process = start_fake(experiment, out, workers=4, env={"FAKE_SECONDS": "0.15"})
        before = sum(trainings(log)[0].values())
        wait_for(lambda: sum(trainings(log)[0].values()) >= before + 4 or process.poll() is not None)  # noqa: B023
        for _ in range(2):
            time.sleep(rng.uniform(0, 0.2))
            workers = [member for member in session_alive(process.pid) if member != process.pid]
            if workers and process.poll() is None:
                os.kill(rng.choice(workers), signal.SIGKILL)
                killed_workers += 1
        time.sleep(rng.uniform(0, 0.4))
        ran_out = process.poll() is not None
        if not ran_out:
            os.killpg(process.pid, signal.SIGKILL)
            killed_groups += 1
        process.communicate(timeout=30)
        if ran_out:
            break
        assert not of_folder(out).problems
        starts = trainings(log)[0]
        for content in contents(out).values():
            safe.setdefault(
                name := f"{content['parameters']['batch_size']}-{content['parameters']['width']}", starts[name]
            )
    assert killed_groups >= 3
    assert run_fake(experiment, out, workers=4) == 0
    started, ended = trainings(log)
    in_flight = sum(started.values()) - sum(ended.values())
    assert in_flight >= killed_groups, "the kills did not hit tiles in flight"
    # Trained twice is only what a kill caught in flight: at most one tile of each worker that died, and all four die
    # with the process that they were forked from.
    assert in_flight <= sum(started.values()) - 60 <= 4 * (killed_workers + killed_groups)
    assert len(safe) > 10
    assert {name: started[name] for name in safe} == safe
    assert len(ended) == 60
    assert of_folder(out).complete
    assert contents(out) == contents(tmp_path / "calm")
    assert exported(out) == exported(tmp_path / "calm")
