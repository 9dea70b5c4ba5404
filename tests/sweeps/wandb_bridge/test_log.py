"""Whether a tile is logged, and what becomes of its run when the process, or W&B's own, is told to end."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest

from phasemap.sweeps.wandb_bridge.log import FAILURE, resolve_mode, run_of
from phasemap.theory.errors import InputError


class FakeRun:
    """Of W&B: notes what it is told, and from ``breaks`` on its process does not answer."""

    def __init__(self, breaks: str) -> None:
        self.breaks = breaks
        self.summary: dict[str, str] = {}
        self.told: list[str] = []

    def _tell(self, what: str) -> None:
        if what == self.breaks:
            raise BrokenPipeError("the service process is gone")
        self.told.append(what)

    def mark_preempting(self) -> None:
        self._tell("preempting")

    def __enter__(self) -> FakeRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._tell("finish")


def logged(monkeypatch: pytest.MonkeyPatch, breaks: str, error: BaseException) -> tuple[FakeRun, BaseException]:
    """The run, and how the block around a training that ends with ``error`` ends."""
    run = FakeRun(breaks)
    settings = type("Settings", (), {"model_fields": {}})
    error_kind = type("Error", (Exception,), {})
    spec = ModuleSpec("wandb", None)
    wandb = SimpleNamespace(Settings=settings, init=lambda **_: run, Error=error_kind, __spec__=spec)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep0")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.raises(type(error)) as ended, run_of({"experiment": "x"}, "0" * 32, mode="online"):
        raise error
    return run, ended.value


@pytest.mark.parametrize("breaks", ["", "preempting", "finish"])
def test_a_signal_keeps_its_exit_status_whatever_wandb_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], breaks: str
) -> None:
    run, ended = logged(monkeypatch, breaks, SystemExit(143))
    assert isinstance(ended, SystemExit)
    assert ended.code == 143
    assert ("preempting" in run.told) == (breaks != "preempting")
    assert ("W&B was not told of the end (BrokenPipeError)" in capsys.readouterr().err) == bool(breaks)


def test_a_failure_is_said_in_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = logged(monkeypatch, "", ValueError("out of luck"))
    assert run.summary[FAILURE] == "ValueError: out of luck"
    assert run.told == ["finish"]


def test_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_mode("auto") == "disabled"
    assert resolve_mode("online") == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert resolve_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert resolve_mode("auto") == "disabled"
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_SWEEP_ID", "x")
    assert resolve_mode("auto") == "online"
    assert resolve_mode("disabled") == "disabled"
    with pytest.raises(InputError, match="expected one of auto, online"):
        resolve_mode("on")
