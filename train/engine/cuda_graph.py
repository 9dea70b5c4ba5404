"""Runs a step again and again: eagerly, or on CUDA from a graph that is captured once and replayed.

The nets of a phase map are small and deep: thousands of kernels of a few microseconds. Launched one by one from Python
they leave the GPU idle; a replayed graph launches them all at once. The first steps run eagerly, on the stream on which
the graph is captured: they let cuBLAS and the allocator set up what must not be set up in a capture. They are steps of
the training like any other, and capturing computes nothing, so that graphs change no result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, Protocol, runtime_checkable

import torch

from phasemap.train.engine.step import Step
from phasemap.train.machine.memory import is_out_of_memory, says_out_of_memory

WARM_UP = 3
"""Eager steps before the capture: PyTorch asks for a few on the capture's stream."""


@runtime_checkable
class Graph(Protocol):
    """What a recorder makes of a step."""

    def replay(self) -> None:
        """Runs the step that was recorded."""

    def reset(self) -> None:
        """Frees the graph's memory."""


@runtime_checkable
class Recorder(Protocol):
    """Records a step: CUDA's, or a test's."""

    def beside(self) -> AbstractContextManager[None]:
        """Where eager steps run before the recording."""

    def record(self, step: Callable[[], None]) -> Graph:
        """The graph of a step, which is not run."""


class CudaRecorder:
    """Records CUDA graphs on a stream of its own; the only lines that need a GPU.

    Attributes:
        broken: whether a capture has failed in this process. PyTorch's allocator then keeps the memory of the broken
            graph and of its stream for good, so that no further one is tried.
    """

    broken: ClassVar[bool] = False

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """The stream of the capture: autograd remembers on which stream a parameter's gradient is accumulated, and the
        default stream cannot be captured."""
        outside = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:  # also after a failure: what is freed then may be in use on the stream
            outside.wait_stream(self.stream)

    def record(self, step: Callable[[], None]) -> Graph:
        """Captures ``step``, with memory of the graph's own. What eager steps have cached is freed before."""
        graph = torch.cuda.CUDAGraph()
        # the outer context brings the stream back that was current: after a failed capture, torch's own does not
        outside = torch.cuda.stream(torch.cuda.current_stream(self.stream.device))
        try:
            with outside, torch.cuda.graph(graph, stream=self.stream):
                step()
        except Exception as error:
            if not says_out_of_memory(error):  # with which a capture ends as it should
                CudaRecorder.broken = True
            raise
        return graph


class Repeat:
    """Calls ``step``, from a graph as soon as there is one.

    Args:
        recorder: None for eager steps only.
        say: told in one line why steps stay eager although there is a recorder.
    """

    def __init__(self, step: Step, recorder: Recorder | None, say: Callable[[str], None]) -> None:
        self.step, self.recorder, self.say = step, recorder, say
        self.graph: Graph | None = None
        self.eager_steps = 0

    def __call__(self) -> None:
        """One step."""
        if self.graph is None and self.recorder and self.eager_steps >= WARM_UP:
            self._record(self.recorder)
        if self.graph is not None:
            self.graph.replay()
        elif self.recorder:
            with self.recorder.beside():
                self.step()
            self.eager_steps += 1
        else:
            self.step()

    def _record(self, recorder: Recorder) -> None:
        try:
            self.graph = recorder.record(self.step)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self.recorder = None  # what follows runs on the stream that all else runs on, and shares its memory
            self.step.forget_gradients()  # those of the broken capture hold no numbers
            self.say(f"the capture failed ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})")

    def release(self) -> None:
        """Frees the graph and its memory; steps are eager from here on."""
        if self.graph is not None:
            self.graph.reset()
        self.graph, self.recorder = None, None


def why_eager(*, monitored: bool, scheduled: bool) -> str | None:
    """What the host does at every step of a training, so that no graph can hold the step, or why none is tried; None if
    nothing."""
    reasons = {
        "an earlier capture failed": CudaRecorder.broken,
        "the monitor reads every layer": monitored,
        "the learning rate follows a schedule that the host keeps": scheduled,
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds) or None
