"""The guard around code of the user's own: what it raises is told in a line, and what it prints is not our answer."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from phasemap.theory.errors import InputError
from phasemap.theory.shown import shown

MOST = 300
"""Characters of an error's own text that are told."""
_own_folders: set[str] = set()
_told: set[tuple[str, str]] = set()
_turned = 0
_lock = threading.RLock()


class StandardError:
    """What stands for standard output while code of the user's own runs. It cannot be closed."""

    within_a_line = False

    def write(self, text: str) -> int:
        """Writes to standard error."""
        self.within_a_line = not text.endswith("\n") if text else self.within_a_line
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def close(self) -> None:
        """Does nothing: others write here, too."""


@contextmanager
def guard(doing: str | Callable[[BaseException], str], *, file: str | None = None) -> Iterator[None]:
    """Around every piece of the user's own code. Within, standard output is standard error, for child processes too.

    Args:
        doing: what was tried, the beginning of the message: ``'net.py:make': make() failed``; or what says so of the
            error.
        file: the user's file, for code that belongs to the command line. Then ``sys.argv`` holds nothing else, and
            each warning is told once, in a line.

    Raises:
        InputError: for whatever the code raises, SystemExit too. Only KeyboardInterrupt, InputError, and what a signal
            handler of ours raises go through.
    """
    arguments, told = sys.argv, contextlib.nullcontext() if file is None else warnings_told(file)
    if file is not None:
        sys.argv = [file]
    try:
        with output_to_standard_error(), told:
            yield
    except BaseException as error:  # whatever the user's code raises is the user's to read
        if passes(error):
            raise
        told_as = doing if isinstance(doing, str) else doing(error)
        raise InputError(f"{told_as}: {reason(error)}") from error
    finally:
        sys.argv = arguments


def passes(error: BaseException) -> bool:
    """Whether an error out of the user's code is another's: told already, Ctrl-C, or of a signal handler of ours."""
    stopped = isinstance(error, SystemExit) and _module_of(error).startswith("phasemap.")
    return stopped or isinstance(error, (InputError, KeyboardInterrupt))


@contextmanager
def output_to_standard_error() -> Iterator[None]:
    """Turns standard output into standard error, as Python and as the system see it, for all threads."""
    global _turned
    with _lock:
        _turned += 1
        if _turned == 1:
            _turn()
    try:
        yield
    finally:
        with _lock:
            _turned -= 1
            if _turned == 0:
                _turn_back()


_before: list[Any] = []


def _turn() -> None:
    saved = None
    with suppress(OSError, ValueError):  # either may be closed
        if sys.stdout is not None:
            sys.stdout.flush()
        saved = os.dup(1)
        os.dup2(2, 1)
    _before[:] = [sys.stdout, saved, StandardError()]
    sys.stdout = _before[2]


def _turn_back() -> None:
    stream, saved, stand_in = _before
    with suppress(OSError, ValueError):
        if sys.__stdout__ is not None:  # the code may have written to it
            sys.__stdout__.flush()
        if stand_in.within_a_line:  # what comes next is ours
            sys.stderr.write("\n")
    if saved is not None:
        os.dup2(saved, 1)
        os.close(saved)
    sys.stdout = stream


def keep_apart_at_exit() -> None:
    """What the user's code has registered for the end of the process until now prints to standard error, too."""
    atexit.unregister(_over)
    atexit.register(_over)


def _over() -> None:
    with suppress(OSError, ValueError):
        if sys.stdout is not None:
            sys.stdout.flush()
        os.dup2(2, 1)
    sys.stdout = StandardError()  # type: ignore[assignment]


@contextmanager
def warnings_told(file: str) -> Iterator[None]:
    """Tells each warning within as the user's file's, in a line on standard error, once a process."""
    with warnings.catch_warnings(record=True) as caught:
        try:
            yield
        finally:
            for warning in caught:
                where = f", line {warning.lineno}" if Path(warning.filename).name == Path(file).name else ""
                line = one_line(f"{warning.category.__name__}: {warning.message}")
                if (file, line) not in _told:
                    _told.add((file, line))
                    print(f"phasemap: warning: {file}{where}: {line}", file=sys.stderr)


def own_code_in(folder: Path) -> None:
    """Says that code of the user's own lies in ``folder``, so that messages name its lines."""
    _own_folders.add(str(folder))


def reason(error: BaseException) -> str:
    """The error in a line: its type, its text, and the line of the user's own code that it comes from."""
    text: Any = ""
    with suppress(BaseException):  # its own __str__ may fail
        text = str(error)
    told = one_line(text)
    where = _own_line(error)
    return type(error).__name__ + (f": {told}" if told else "") + (f" ({where})" if where else "")


def one_line(text: str) -> str:
    """The text on one line, not longer than ``MOST`` characters, its control characters shown."""
    words = shown(" ".join(text[: 4 * MOST].split()))
    return words if len(words) <= MOST else words[:MOST] + "…"


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found


def _module_of(error: BaseException) -> str:
    """The module in which the error was raised."""
    frames = _frames(error)
    return str(frames[-1][0].f_globals.get("__name__", "")) if frames else ""


def _own_line(error: BaseException) -> str:
    """``net.py, line 3``: the innermost line of the user's own code; "" if there is none."""
    for frame, line in reversed(_frames(error)):
        if _is_own(frame):
            return one_line(f"{Path(frame.f_code.co_filename).name}, line {line}")
    return ""


def _is_own(frame: FrameType) -> bool:
    path, module = frame.f_code.co_filename, str(frame.f_globals.get("__name__", ""))
    if "site-packages" in path or module.split(".")[0] == "phasemap":
        return False
    return any(path.startswith(folder + os.sep) for folder in _own_folders)
