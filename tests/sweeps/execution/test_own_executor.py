"""An executor of a user's own, in a file outside the package: threads of this process instead of worker processes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from phasemap.sweeps.execution.catalogue import executor_named
from phasemap.sweeps.execution.events import Event
from phasemap.sweeps.execution.executor import Executor, ExecutorContext
from phasemap.sweeps.sources.status import of_folder
from phasemap.sweeps.store.folder import Folder
from phasemap.theory.errors import InputError
from tests.sweeps.runs import run_fake, start_fake, trainings, wait_for

OWN = '''\
import queue, threading
from concurrent.futures import ThreadPoolExecutor


class Threads:
    """Trains tiles in threads of this process."""

    def __init__(self, context):
        self.context, self.slots = context, context.devices
        self.pool, self.news, self.ending = ThreadPoolExecutor(len(self.slots)), queue.SimpleQueue(), threading.Event()

    def start(self, tile):
        self.pool.submit(self.train, tile)

    def train(self, tile):
        self.news.put(self.context.train(tile, tell=self.news.put, stopping=self.ending.is_set))

    def events(self, timeout):
        try:
            return [self.news.get(timeout=timeout)]
        except queue.Empty:
            return []

    def stop(self, *, at_once):
        self.ending.set()

    def close(self):
        self.pool.shutdown(cancel_futures=True)
'''


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "threads.py").write_text(OWN)
    return "threads.py:Threads"


def test_it_is_named_on_the_command_line_and_trains_everything(
    own: str, six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_fake(six, tmp_path / "out", executor=own) == 0
    said = capfd.readouterr().err
    assert "6/6 tiles, 24/24 cells" in said
    assert "the first tile took" in said
    assert set(trainings(log)[0].values()) == {1}
    assert of_folder(tmp_path / "out").complete


def test_the_scheduler_tries_again_marks_and_logs_for_it_too(
    own: str, six: Path, tmp_path: Path, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trouble").write_text("10 raise\n11 once-raise\n14 input\n")
    assert run_fake(six, tmp_path / "out", executor=own) == 1
    folder = Folder(tmp_path / "out")
    reasons = sorted(mark["reason"] for mark in folder.failures().values())
    assert reasons == ["RuntimeError: made to fail in ~", "width: 14: not to be had"]
    assert "2 of 6 tiles failed" in capfd.readouterr().err
    logs = [folder.log_file(key).read_text() for key in folder.failures()]
    assert all("Traceback" in text and "phasemap: given up after" in text for text in logs)
    assert all(str(Path.home()) not in text for text in logs)
    assert not [text for text in logs if text.count("Traceback") > 1]
    assert not folder.running()


def test_a_full_disk_stops_it(own: str, six: Path, tmp_path: Path, log: Path) -> None:
    (tmp_path / "trouble").write_text("12 full\n")
    assert run_fake(six, tmp_path / "out", executor=own, workers=1) == 1
    assert not Folder(tmp_path / "out").failures()


def test_an_interrupt_saves_what_it_trains(own: str, six: Path, tmp_path: Path, log: Path) -> None:
    given = {"FAKE_SECONDS": "60", "FAKE_SAVES": "1"}
    process = start_fake(six, tmp_path / "out", env=given, executor=own)
    wait_for(lambda: len(trainings(log)[0]) >= 2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "interrupted: tiles in flight (2) have 10 s to end" in said
    assert len(list((tmp_path / "out" / "locks").glob("*.ckpt"))) == 2
    assert run_fake(six, tmp_path / "out", executor=own) == 0
    assert log.read_text().count("resumed") == 2


def test_a_class_can_be_given_and_sees_what_the_run_was_asked_for(six: Path, tmp_path: Path, log: Path) -> None:
    seen: list[ExecutorContext] = []

    class OneAfterTheOther:
        """The shortest: trains within `events`. It answers interrupts between two tiles only."""

        slots = ("cpu",)

        def __init__(self, context: ExecutorContext) -> None:
            seen.append(context)
            self.tiles: list[Event] = []

        def start(self, tile) -> None:  # type: ignore[no-untyped-def]
            self.tiles.append(tile)

        def events(self, timeout: float) -> list[Event]:
            return [seen[0].train(self.tiles.pop()) for _ in self.tiles[:1]]  # type: ignore[arg-type]

        def stop(self, *, at_once: bool) -> None: ...

        def close(self) -> None: ...

    makes: type[Executor] = OneAfterTheOther
    assert run_fake(six, tmp_path / "out", executor=makes, workers=3) == 0
    (context,) = seen
    assert context.folder.path == tmp_path / "out"
    assert context.devices == ["cpu"] * 3
    assert of_folder(tmp_path / "out").complete


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("remote", "--executor remote: expected one of local, or path/to/file.py:Name"),
        ("none.py:X", "'none.py:X': there is no file none.py"),
        ("threads.py:X", "threads.py has no 'X'"),
        ("threads.py:number", "--executor threads.py:number: number is of type int: expected a class"),
    ],
)
def test_what_is_no_executor_is_told(own: str, name: str, message: str) -> None:
    Path("threads.py").write_text(OWN + "\nnumber = 3\n")
    with pytest.raises(InputError, match=message):
        executor_named(name)
