"""Models of other people's, with odd behaviours put together at random: the probe says what is wrong, or works."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.robustness.attack import attack, complaints

RAISED = (
    'RuntimeError("two\\nlines \\x1b[31m")',
    'SystemExit("usage: net.py CONFIG")',
    "SystemExit(0)",
    "BaseException()",
    "GeneratorExit()",
    "MemoryError()",
    "StopIteration(3)",
    "asyncio.CancelledError()",
    'Unspeakable("x")',
    'UnicodeDecodeError("utf-8", b"x", 0, 1, "odd")',
    'ValueError("λ" * 5000)',
)
SAID = (
    'print("loading the zoo", flush=True)',
    'sys.stdout.write("no line end")',
    'sys.__stdout__.write("past the guard\\n")',
    'os.write(1, b"to the system\'s own\\n")',
    'os.system("echo a child of ours")',
    'warnings.warn("this op\\nis experimental")',
    "sys.stdout.close()",
    "sys.stdout = None",
    'atexit.register(print, "bye")',
    'logging.basicConfig(stream=sys.stdout); logging.error("logged")',
)
CHANGED = (
    "argparse.ArgumentParser().parse_args()",
    "sys.argv.clear()",
    "os.chdir('/')",
    "torch.set_grad_enabled(False)",
    "torch.set_default_dtype(torch.float64)",
    'np.seterr(all="raise")',
    'warnings.simplefilter("error")',
    "random.seed(1)",
    "gc.disable()",
    "np.float64(1) / np.zeros(1)",
    "np.exp(np.array([1e9]))",
)
AT_IMPORT = ("import nothing_there", "x = (", "1 / 0", "from . import nothing", "def make(:", "")
METHODS = (
    "    def train(self, loader): raise RuntimeError('needs a loader')",
    "    def train(self, mode=True): super().train(mode)",
    "    def train(self): pass",
    "    def to(self, *a, **k): raise ValueError('stays here')",
    "    def to(self, *a, **k): pass",
    "    def parameters(self, group): return []",
    "    def modules(self): raise BaseException('none')",
    "    def __call__(self, x): return self.forward(x)",
    "    def __repr__(self): raise RuntimeError('no name')",
    "    def __len__(self): raise RuntimeError('no length')",
    "    def state_dict(self): raise RuntimeError('no state')",
)
FORWARD = (
    "self.layers[0].weight.data.mul_(0.5)",
    "self.layers[1].weight.data = self.layers[1].weight.data * 2",
    "self.layers[0].weight.grad = torch.ones(8, 8)",
    "x = x[:, :3]",
    "x = x[:0]",
    "x = x.detach()",
    "x.mul_(2)",
    "x = Backward.apply(x)",
    "x = checkpoint(self.layers[0], x, use_reentrant=True)",
    "x = checkpoint(self.layers[0], x, use_reentrant=False)",
    "x = x * float('nan')",
    "x = x.sum()",
    "x = x.to('meta')",
    "x = x.to_sparse()",
    "self.layers.append(nn.Linear(8, 8))",
    "del self.layers[-1]",
    "self.late = nn.Linear(8, 8); x = self.late(x)",
    "self.layers[0].register_forward_hook(lambda m, i, o: None)",
    "self.layers[0].register_full_backward_hook(lambda m, i, o: None)",
    "try: self.layers[0](x[:, :3])\n        except RuntimeError: pass",
    "x.sum().backward(retain_graph=True)",
    "x = torch.utils._pytree.tree_map(torch.tanh, x)",
    "x = F.relu(x, inplace=True)",
    "x = self.norm(x)",
    "torch.manual_seed(0)",
    "self.seen = [self]; self.count = getattr(self, 'count', 0) + 1",
)
RETURNED = (
    "x",
    "x",
    "x",
    "None",
    "{'out': x}",
    "[x, [x]]",
    "x.argmax(-1)",
    "x.to(torch.complex64)",
    "Loop(x)",
    "iter([x])",
)
MADE = (
    "Model()",
    "Model()",
    "Model().double()",
    "Model().to('meta')",
    "torch.jit.trace(nn.Sequential(nn.Linear(8, 8)), torch.randn(4, 8))",
    "torch.jit.script(nn.Sequential(nn.Linear(8, 8)))",
    "nn.Sequential(nn.LazyLinear(8), Model())",
    "nn.Sequential(Model(), Model())",
    "torch.nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))",
    "(Model(), 3)",
    "Model",
    "nn.DataParallel(Model())",
    "torch.ao.quantization.quantize_dynamic(Model(), {nn.Linear}, dtype=torch.qint8)",
)
HEAD = """\
import argparse, asyncio, atexit, gc, logging, os, random, sys, warnings
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

class Unspeakable(BaseException):
    def __str__(self): raise RuntimeError("no words")

class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, g): raise SystemExit("no way back")

class Loop(dict):
    def __init__(self, x):
        super().__init__(x=x)
        self["self"] = self
"""


def written(draw: random.Random) -> str:
    """The text of a file with a model of up to four odd behaviours."""
    odd: dict[str, list[str]] = {place: [] for place in ("import", "init", "methods", "before", "after", "make")}
    for _ in range(draw.choice([1, 1, 2, 3, 4])):
        place = draw.choice([*odd, "before", "after"])
        if place == "methods":
            odd[place].append(draw.choice(METHODS))
            continue
        kinds = [SAID, CHANGED, tuple(f"raise {each}" for each in RAISED)]
        kinds += [FORWARD, FORWARD] if place in ("before", "after") else [AT_IMPORT] if place == "import" else []
        odd[place].append(draw.choice(draw.choice(kinds)))

    def lines(place: str, indent: int) -> list[str]:
        return [" " * indent + line for line in odd[place]]

    return "\n".join(
        [
            HEAD,
            *lines("import", 0),
            "class Model(nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
            *lines("init", 8),
            "        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))",
            "        self.norm = nn.BatchNorm1d(8)",
            *odd["methods"],
            "    def forward(self, x):",
            *lines("before", 8),
            "        for layer in self.layers:",
            "            x = torch.tanh(layer(x))",
            *lines("after", 8),
            f"        return {draw.choice(RETURNED)}",
            "def make():",
            *lines("make", 4),
            f"    return {draw.choice(MADE)}",
            "",
        ]
    )


def probe_models(folder: Path, count: int, seed: int) -> None:
    draw, found = random.Random(seed), []
    for trial in range(count):
        text = written(draw)
        file = folder / f"net{trial}.py"
        file.write_text(text, encoding="utf-8")
        mode = draw.choice(["train", "eval", "as-is"])
        words = ("probe", f"{file.name}:make", "--input", "8", "--batch-size", "8", "--json", "--mode", mode)
        outcome = attack(*words, folder=folder)
        wrong = complaints(outcome)
        if outcome.code == 0:
            json.loads(outcome.out)  # whatever the model printed is not in it
        elif (
            outcome.out or len([line for line in outcome.err.splitlines() if line.startswith("phasemap: error: ")]) != 1
        ):
            wrong.append(f"code {outcome.code}, printed {outcome.out[:200]!r}, said {outcome.err[-500:]!r}")
        if wrong:
            found.append(f"seed {seed}, trial {trial}: {wrong}\n{text[len(HEAD) :]}")
    assert not found, f"{len(found)} of {count}:\n" + "\n".join(found[:5])


def test_models_of_other_people(tmp_path: Path) -> None:
    probe_models(tmp_path, 8, 0)


@pytest.mark.slow
def test_many_models_of_other_people(tmp_path: Path) -> None:
    probe_models(tmp_path, 400, 1)
