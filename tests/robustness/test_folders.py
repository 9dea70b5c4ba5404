"""Output folders of somebody else, or of a disk that fails: whatever is wrong with a file, it is said and not counted,
and the other files count as before."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from phasemap.sweeps.execution.plan import plan
from phasemap.sweeps.experiments.experiment import load
from phasemap.sweeps.store import result as store
from phasemap.sweeps.store.folder import Folder
from phasemap.sweeps.store.key import canonical
from phasemap.theory.errors import InputError
from tests.robustness.attack import attack, complaints
from tests.robustness.hostile import changed, damaged, spelt
from tests.sweeps.fake_backend import FAKE, fake_result
from tests.sweeps.runs import run_fake, write_experiment

TILES, CELLS = 4, 4
SEEDS, MANY = 12, 1500


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three results, a failed tile, a lock and a log."""
    home = tmp_path_factory.mktemp("whole")
    planned = plan(load(str(write_experiment(home / "mine.yaml", TILES))), at_work=["cpu"], trainer=FAKE)
    folder = Folder(home / "out")
    folder.claim(planned.experiment, planned.manifest)
    for tile in planned.tiles[:-1]:
        store.write(folder.result_file(tile.key), with_series(fake_result(tile.parameters)))
    folder.mark_failed(planned.tiles[-1].key, 2, "out of luck")
    (folder.locks / f"{planned.tiles[-1].key}.lock").touch()
    return folder.path


def with_series(result: dict[str, Any]) -> dict[str, Any]:
    """With every optional part that a result can have."""
    logarithms, numbers = ([0.5, None], [1.0, -2.0]), (0.5, None)
    names = ("log_weight", "log_weight_gradient", "log_output_gradient")
    for cell in result["content"]["cells"]:
        cell["exceeds_float32"] = False
        cell["monitor"] = {"step": [0, 1], "layer": ["1", "2"], **{name: list(logarithms) for name in names}}
        scores = ("epoch", "train_accuracy", "train_loss", "test_accuracy", "test_loss")
        cell["epochs"] = {name: [1.0, 2.0] if name == "epoch" else list(numbers) for name in scores}
    return result


def restamped(document: Any, literal: str) -> str:
    """The JSON of a changed result with checksums that are right, as another program would write it."""
    text = spelt(document, literal)
    try:
        said = json.loads(text)
        key, content = said["provenance"]["key"], said["content"]
        for name in ("seal", "written"):
            said["provenance"].pop(name, None)
        said["provenance"]["checksum"] = hashlib.sha256(f"{key}{canonical(content)}".encode()).hexdigest()
        return json.dumps(said)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return text


def of_another_kind(path: Path, rng: random.Random) -> None:
    """Something that is no regular file, or a strange one, in the place of one."""
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    match rng.randrange(10):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to(path.name)
        case 3:
            path.symlink_to("nowhere")
        case 4:
            path.symlink_to(rng.choice(["/dev/zero", "/dev/full", "/dev/null", "/proc/self/mem", "/"]))
        case 5:
            path.symlink_to(aside.name)
        case 6:
            path.touch()
            os.truncate(path, rng.choice([10**6, 10**9, 10**12]))
        case 7:
            os.mkfifo(aside.with_name("pipe"))
            path.symlink_to("pipe")
        case 8:
            path.mkdir()
            shutil.copy(aside, path / path.name)
        case _:
            pass  # it is gone


def spoil(folder: Path, rng: random.Random) -> Path:
    """Changes one file of the folder in one way; which."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    results = [path for path in files if path.parent.name == "tiles"]
    path = rng.choice([rng.choice(files), rng.choice(results), folder / "manifest.json", folder / "experiment.yaml"])
    what = rng.randrange(10)
    if what < 3 and path.suffix == ".json":
        document, literal = changed(json.loads(path.read_text()), rng)
        text = restamped(document, literal) if path in results else spelt(document, literal)
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
    elif what < 7 and path.stat().st_size:
        path.write_bytes(damaged(path.read_bytes(), rng))
    elif what < 9:
        of_another_kind(path, rng)
    else:
        beside(path, rng)
    return path


def beside(path: Path, rng: random.Random) -> None:
    """Something foreign in the same folder."""
    name = rng.choice(
        [b"x.json", b"\xff\xfe.json", b".x.tmp", b"..json", b"a\nb.json", b"\x1b[31m.json", b"0" * 32 + b".json"]
    )
    place = os.path.join(os.fsencode(path.parent), name)  # noqa: PTH118 (bytes)
    rng.choice([lambda: os.mkfifo(place), lambda: os.mkdir(place), lambda: shutil.copy(path, place)])()  # noqa: PTH102


def state(folder: Path, but: Path) -> dict[str, Any]:
    """The bytes of every other file."""
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != but and not path.is_symlink()
    }


def check_export(text: str) -> None:
    """Every row of an export is of a valid cell."""
    for row in csv.DictReader(io.StringIO(text)):
        assert row["outcome"] in ("finished", "diverged", "dead")
        for name, value in row.items():
            if "accuracy" in name and value:
                assert 0 <= float(value) <= 1, row


def counted(said: str) -> int:
    """Cells with a result, by the last line of a status."""
    total = next(line for line in said.splitlines() if line.startswith("total"))
    return sum(map(int, total.split()[1:4]))


def try_one(whole: Path, home: Path, seed: int) -> list[str]:
    """Spoils a copy of the folder; what does not hold then."""
    rng = random.Random(seed)
    folder = home / "out"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(whole, folder)
    path = spoil(folder, rng)
    before = state(folder, path)
    arguments = rng.choice(
        [("status", "out"), ("export", "out"), ("export", "out", "out"), ("status", "out", "--requeue")]
    )
    ended = attack(*arguments, folder=home)
    wrong = complaints(ended)
    if ended.code == 0:
        if "export" in arguments:
            check_export(ended.out)
        elif not CELLS * (TILES - 2) <= counted(ended.out) <= CELLS * (TILES - 1):  # all results but this one
            wrong.append(f"{counted(ended.out)} cells are counted")
    elif path.parent.name == "tiles":
        wrong.append("the other results are not counted")
    kept = {name: data for name, data in state(folder, path).items() if name in before}
    gone = {name for name in before if name not in kept and "failed" not in name}
    if gone or any(before[name] != data for name, data in kept.items()):
        wrong.append(f"{arguments}: other files were changed")
    return [f"seed {seed}, {path.name}: {one}" for one in wrong]


def test_a_spoiled_file_is_said_and_not_counted(whole: Path, tmp_path: Path) -> None:
    wrong = [message for seed in range(SEEDS) for message in try_one(whole, tmp_path / "try", seed)]
    assert not wrong, "\n".join(wrong)


IN_THE_WAY = {
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "loop": lambda path: path.symlink_to(path.name),
    "link to nowhere": lambda path: path.symlink_to("nowhere"),
    "link to a device": lambda path: path.symlink_to("/dev/full"),
    "nothing": lambda path: path.touch(),
    "text": lambda path: path.write_text("hello"),
    "deep": lambda path: path.write_text("[" * 100_000),
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_a_run_makes_way_for_a_result(tmp_path: Path, what: str) -> None:
    """The tile whose place is taken is trained again; what may be somebody's is kept; the others stay as they are."""
    file, out = write_experiment(tmp_path / "mine.yaml", 2), tmp_path / "out"
    assert run_fake(file, out, workers=1, quiet=True) == 0
    first, second = sorted((out / "tiles").iterdir())
    before, other = first.read_bytes(), (second.read_bytes(), second.stat().st_mtime_ns)
    first.unlink()
    IN_THE_WAY[what](first)
    assert run_fake(file, out, workers=1, quiet=True) == 0
    assert not first.is_symlink()
    assert first.read_bytes() == before
    assert (second.read_bytes(), second.stat().st_mtime_ns) == other
    kept = {"folder", "pipe", "link to nowhere", "link to a device", "text", "deep"}
    assert [path.name for path in out.glob("foreign/*")] == [first.name] * (what in kept)


@pytest.mark.parametrize("place", ["locks/x.lock", "logs/x.log", "failed/x.json"])
@pytest.mark.parametrize("what", ["folder", "pipe", "loop", "link to a device"])
def test_a_run_waits_for_no_pipe(tmp_path: Path, place: str, what: str) -> None:
    file, out = write_experiment(tmp_path / "mine.yaml", 2), tmp_path / "out"
    assert run_fake(file, out, workers=1, quiet=True) == 0
    IN_THE_WAY[what](out / place)
    with pytest.raises(InputError, match=f"{place}: is no regular file; take it away"):
        run_fake(file, out, workers=1, quiet=True)


@pytest.mark.slow
def test_spoiled_files_by_the_thousand(whole: Path, tmp_path: Path) -> None:
    wrong = [message for seed in range(SEEDS, MANY) for message in try_one(whole, tmp_path / "try", seed)]
    assert not wrong, "\n".join(wrong[:20])
