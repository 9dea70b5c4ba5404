"""An output folder: the experiment, the tiles' results, and who is at work on what.

::

    DIR/experiment.yaml     the experiment with every override in place, for people and for `wandb sweep`
    DIR/manifest.json       what else decides the tiles' keys: data digest, dtype, semantics; and the keys, in order
    DIR/tiles/KEY.json      one result per tile; there and valid means done
    DIR/locks/KEY.lock      held, by flock, by the worker that trains the tile; a dead worker holds nothing
    DIR/locks/KEY.lease     says who that is, and is renewed: for file systems without flock, or with one for each node
    DIR/locks/KEY.ckpt      checkpoint of a tile that takes long; goes when the result comes
    DIR/newer/KEY.json      a result that a newer version of this program wrote: out of the way, and kept
    DIR/foreign/KEY.json    what was in the place of a result and is none of the tile's: out of the way, and kept
    DIR/failed/KEY.json     the tile was given up in the last run; DIR/logs/KEY.log says why
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, TypedDict

from phasemap.sweeps.experiments.experiment import Experiment, from_text
from phasemap.sweeps.experiments.yaml_document import read_yaml_file
from phasemap.sweeps.store import tile_lock
from phasemap.sweeps.store.lease import Holder
from phasemap.sweeps.store.manifest import Manifest, read_manifest
from phasemap.sweeps.store.result import ResultError, read
from phasemap.theory.errors import InputError
from phasemap.theory.plural import counted
from phasemap.train.documents import LONGEST_TEXT, Count, DocumentError, Text, from_json, read_file
from phasemap.train.redaction import redacted
from phasemap.train.result_types import Result
from phasemap.train.whole_file import within, write_text

LARGEST_MARK = 2**16
FOLDERS = ("tiles", "locks", "failed", "logs")


class FailedMark(TypedDict):
    """``failed/KEY.json``: how often the tile was tried, and why it was given up."""

    attempts: Count
    reason: Text
    log: Text


@dataclass
class Scan:
    """What lies in ``tiles/``.

    Attributes:
        results: valid results by key.
        problems: files that are no usable results, and why.
    """

    results: dict[str, Result] = field(default_factory=dict)
    problems: list[ResultError] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Scan({len(self.results)} results, {len(self.problems)} problems)"


class Folder:
    """The output folder at ``path``; nothing is made before it is needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tiles, self.locks, self.failed, self.logs = (path / name for name in FOLDERS)

    def __repr__(self) -> str:
        return f"Folder({self.path})"

    def exists(self) -> bool:
        """Whether there is anything of ours."""
        return self.tiles.is_dir() or self.has_experiment()

    def has_experiment(self) -> bool:
        """Whether it says which tiles are wanted; one of `phasemap train` does not. A manifest that is a folder, a pipe
        or a loop of links is one that cannot be read."""
        return os.path.lexists(self.path / "manifest.json")

    def result_file(self, key: str) -> Path:
        """Where the tile's result is, or will be."""
        return self.tiles / f"{key}.json"

    def checkpoint_file(self, key: str) -> Path:
        """Where a long training of the tile is saved while it goes on; removed once its result is there."""
        return self.locks / f"{key}.ckpt"

    def set_aside(self, problem: ResultError) -> str:
        """Makes way for the tile that is to be trained again, and says so: what may be of use to somebody is kept."""
        if problem.kind not in ("newer", "foreign"):
            return "it will be trained again"
        within(self.path, problem.kind).mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another run did it
            problem.path.replace(self.path / problem.kind / problem.path.name)
        return f"it is kept in {problem.kind}/, and the tile will be trained again"

    def remove_checkpoint(self, key: str) -> None:
        """Removes the tile's checkpoint, and one that was being written."""
        for path in self.locks.glob(f"{key}.ckpt*"):
            path.unlink(missing_ok=True)

    def log_file(self, key: str) -> Path:
        """Where the tile's worker writes what it has to say."""
        return self.logs / f"{key}.log"

    def check(self, experiment: Experiment | None = None, manifest: Manifest | None = None) -> None:
        """Checks that the folder is free or holds an experiment, and if one is given, that it is of the same trainings.

        Raises:
            InputError: it holds another experiment (one line per differing key), or other things.
        """
        if self.has_experiment():
            self._check_entries()
            if experiment and manifest and (mistakes := self._differences(experiment, manifest)):
                raise InputError(*mistakes)
        elif self.path.exists() and not self.path.is_dir():
            raise InputError(f"--out {self.path}: is a file, not a folder")
        elif self.path.is_dir() and (there := list(self.path.iterdir())) and self.tiles not in there:
            raise InputError(f"--out {self.path}: is not empty and holds no experiment; give another folder")
        elif experiment and (mistakes := self._claimed_for_another(experiment)):
            raise InputError(*mistakes)

    def claim(self, experiment: Experiment, manifest: Manifest) -> None:
        """Makes the folder, or checks that it is of the same trainings. Experiments that differ in the picture only, as
        Figs. 8 and 9 do, share a folder; it then describes the one that came last.

        Of several runs at one moment one makes ``experiment.yaml``, and one the manifest, each whole; the others are
        checked against it, also where a run was killed between the two.

        Raises:
            InputError: as `check`, or it cannot be written.
        """
        self.check(experiment, manifest)
        try:
            for name in FOLDERS:
                within(self.path, name).mkdir(parents=True, exist_ok=True)
            for name, text in (("experiment.yaml", experiment.text()), ("manifest.json", manifest.text())):
                with suppress(FileExistsError):
                    write_text(self.path / name, text, new=True)
                self.check(experiment, manifest)
            if experiment.text() != self.experiment().text():
                self._describe(experiment, manifest)
        except OSError as error:
            raise InputError(f"--out {self.path}: cannot be written: {error.strerror}") from None

    def _describe(self, experiment: Experiment, manifest: Manifest) -> None:
        write_text(self.path / "experiment.yaml", experiment.text())
        write_text(self.path / "manifest.json", manifest.text())

    def _check_entries(self) -> None:
        """Checks that nothing but files is where files are written to: a pipe would be waited for without end."""
        for folder in (self.locks, self.failed, self.logs):
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                try:
                    regular = stat.S_ISREG(path.stat().st_mode)
                except OSError:
                    regular = not path.is_symlink()  # it went just now
                if not regular:
                    raise InputError(f"{path}: is no regular file; take it away")

    def _claimed_for_another(self, experiment: Experiment) -> list[str]:
        """What tells the experiment from the one that a run is claiming the folder for, or was when it was killed."""
        path = self.path / "experiment.yaml"
        if not os.path.lexists(path):
            return []
        there = from_text(read_yaml_file(path), name=experiment.name, preset=experiment.preset, source=str(path))
        return self._other_parameters(experiment, there)

    def _other_parameters(self, experiment: Experiment, there: Experiment) -> list[str]:
        from phasemap.train.parameters import TABLE

        ours, theirs = experiment.document["parameters"], there.document["parameters"]
        return [
            f"{self._holds_another}: {name} is {_shown(theirs.get(name))} there and {_shown(ours.get(name))} here"
            for name in dict.fromkeys([*theirs, *ours])
            if (name not in TABLE or TABLE[name].identity) and theirs.get(name) != ours.get(name)
        ]

    @property
    def _holds_another(self) -> str:
        return f"--out {self.path}: holds another experiment"

    def _differences(self, experiment: Experiment, manifest: Manifest) -> list[str]:
        there, there_manifest = self.experiment(), self.manifest()
        if there_manifest.trainings() == manifest.trainings():  # a user's own files may have moved
            return []
        if mistakes := self._other_parameters(experiment, there):
            return mistakes
        for what in ("semantics", "data", "dtypes", "keys"):
            a, b = getattr(there_manifest, what), getattr(manifest, what)
            if a != b:
                return [f"{self._holds_another}: the same parameters, but {what} differ: {_brief(a, b)}"]
        return []

    def experiment(self) -> Experiment:
        """The experiment of the folder. Raises InputError if it cannot be read."""
        manifest, path = self.manifest(), self.path / "experiment.yaml"
        experiment = from_text(
            read_yaml_file(path), name=manifest.experiment, preset=manifest.preset, source=str(path)
        ).sound()
        if experiment.tile_count != len(manifest.keys):
            raise InputError(
                f"{path}: has {counted(experiment.tile_count, 'tile')}, and manifest.json beside it"
                f" {len(manifest.keys)}; "
                "one of them was changed"
            )
        return experiment

    def manifest(self) -> Manifest:
        """The folder's manifest. Raises InputError if there is none or it is not of this version."""
        return read_manifest(self.path / "manifest.json")

    def scan(self, semantics: int, expected: Iterable[str] | None = None) -> Scan:
        """Every file in ``tiles/``, read and checked; with ``expected`` keys, others are foreign.

        ``semantics`` is the newest version of the training that this program knows.
        """
        scan = Scan()
        wanted = None if expected is None else set(expected)
        for path in sorted(self.tiles.iterdir(), key=attrgetter("name")) if self.tiles.is_dir() else []:
            if path.name.startswith("."):
                continue  # a writer's temporary file
            if path.suffix != ".json":
                scan.problems.append(ResultError("foreign", path, "it is not named KEY.json"))
                continue
            try:
                result = read(path, semantics=semantics)
                if wanted is not None and path.stem not in wanted:
                    raise ResultError("foreign", path, "no tile of this experiment has this key")
            except FileNotFoundError:  # it was set aside just now
                continue
            except ResultError as problem:
                scan.problems.append(problem)
            else:
                scan.results[path.stem] = result
        return scan

    def there(self) -> set[str]:
        """Keys of the tiles that have a result file, whatever is in it."""
        return {path.stem for path in self.tiles.glob("*.json")}

    def running(self) -> dict[str, Holder]:
        """The tiles that some process holds at this moment, by key, and which process."""
        held = {path.stem: tile_lock.holder(path) for path in self.locks.glob("*.lock")}
        return {key: holder for key, holder in held.items() if holder is not None}

    @contextmanager
    def lock(self, key: str) -> Iterator[bool]:
        """Holds the tile's lock; gives False at once where another process has it. Removes it once the tile is done."""
        path = self.locks / f"{key}.lock"
        with tile_lock.holding(path) as mine:
            try:
                yield mine
            finally:
                # With the result there, whoever gets a lock on the removed file or a new one finds the tile done.
                if mine and self.result_file(key).is_file():
                    path.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Removes temporary files of writers that were killed, checkpoints of tiles that are done, and what their logs
        must not tell (whoever writes holds the tile's lock)."""
        for leftover in [path for name in FOLDERS for path in (self.path / name).glob(".*.tmp")]:
            with self.lock(leftover.name.split(".")[1]) as mine:
                if mine and not leftover.is_dir():
                    leftover.unlink(missing_ok=True)
        for key in {path.name.partition(".")[0] for path in self.locks.glob("*.ckpt*")}:
            with self.lock(key) as mine:
                if mine and self.result_file(key).is_file():  # killed between the two
                    self.remove_checkpoint(key)
        for log in self.logs.glob("*.log"):
            with self.lock(log.stem) as mine:
                if mine:
                    redact(log)

    def mark_failed(self, key: str, attempts: int, reason: str) -> None:
        """Says that the tile was given up; the reason becomes the log's last line."""
        log = self.log_file(key)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"phasemap: given up after {attempts} attempts: {reason}\n")
        redact(log)
        document = {"attempts": attempts, "reason": redacted(reason)[:LONGEST_TEXT], "log": f"logs/{key}.log"}
        write_text(self.failed / f"{key}.json", json.dumps(document) + "\n")

    def failures(self) -> dict[str, FailedMark]:
        """The tiles that were given up, by key."""
        found: dict[str, FailedMark] = {}
        for path in sorted(self.failed.glob("*.json")) if self.failed.is_dir() else []:
            unreadable: FailedMark = {"attempts": 0, "reason": "unreadable mark", "log": f"logs/{path.stem}.log"}
            try:
                found[path.stem] = from_json(read_file(path, LARGEST_MARK), FailedMark)
            except (OSError, DocumentError):
                found[path.stem] = unreadable
        return found

    def unmark_failed(self, keys: Iterable[str]) -> None:
        """Takes the marks of failed tiles away: starting again gives each another chance."""
        for mark in (self.failed / f"{key}.json" for key in keys):
            if mark.is_symlink() or not mark.is_dir():
                mark.unlink(missing_ok=True)


def redact(log: Path) -> None:
    """Takes home folders and values of the environment out of a log; removes the log if it is empty."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
        if not text.strip():
            log.unlink(missing_ok=True)
        elif (clean := redacted(text)) != text:
            write_text(log, clean)
    except OSError:  # it is gone, or the disk is full
        return


def _shown(entry: Any) -> str:
    if entry is None:
        return "not given"
    kind, value = next(iter(entry.items()))
    text = str(value)
    return (text if len(text) < 60 else text[:57] + "…") + (" (a tile each)" if kind == "values" else "")


def _brief(a: Any, b: Any) -> str:
    if isinstance(a, Sequence) and isinstance(b, Sequence) and not isinstance(a, str) and len(a) == len(b):
        a, b = next((x, y) for x, y in zip(a, b, strict=True) if x != y)
    return f"{a} there and {b} here"
