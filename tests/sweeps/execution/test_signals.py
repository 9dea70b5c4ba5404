"""One context for every command that has to answer Ctrl-C and SIGTERM."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from phasemap.sweeps.execution.signals import INTERRUPTED, Interrupts, interruptible, interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_are_noted_and_the_former_answer_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interrupts() as seen:
        assert not seen
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert seen.numbers == [number, number]
    assert signal.getsignal(number) is before


def test_an_answer_is_called_at_each_and_may_raise() -> None:
    counts = []

    def answer(seen: Interrupts) -> None:
        counts.append(len(seen))
        if len(seen) == 2:
            raise SystemExit(7)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit), interrupts(answer):
        twice()
    assert counts == [1, 2]


def test_an_inner_block_answers_in_place_of_the_outer_one() -> None:
    @interruptible
    def command() -> int:
        with interrupts() as seen:
            os.kill(os.getpid(), signal.SIGTERM)
        assert len(seen) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it was not ended")

    assert command() == INTERRUPTED


def test_another_thread_than_the_main_one_may_use_it() -> None:
    ended = []

    def work() -> None:
        with interrupts() as seen:
            ended.append(bool(seen))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [False]


@pytest.mark.parametrize(
    ("sent", "insist"),
    [
        ([], False),
        ([(signal.SIGINT, 0)], False),
        ([(signal.SIGTERM, 0), (signal.SIGTERM, 1)], False),  # Slurm's own, and one that an agent passes on
        ([(signal.SIGTERM, 0), (signal.SIGTERM, 1), (signal.SIGTERM, 9)], False),
        ([(signal.SIGTERM, 0), (signal.SIGTERM, 11)], True),  # after the grace
        ([(signal.SIGINT, 0), (signal.SIGINT, 1)], True),  # a person
        ([(signal.SIGTERM, 0), (signal.SIGINT, 1)], False),
        ([(signal.SIGTERM, 0), (signal.SIGINT, 1), (signal.SIGINT, 2)], True),
    ],
    ids=str,
)
def test_who_wants_the_end_at_once(sent: list[tuple[int, float]], insist: bool) -> None:
    seen = Interrupts([number for number, _ in sent], [100.0 + at for _, at in sent])
    assert seen.insist(grace=10.0) == insist
