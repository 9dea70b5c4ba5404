"""``phasemap probe --inputs``: whatever the user's name is, returns or raises, there is an answer or one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.robustness.attack import attack, complaints

NETS = '''
import torch
from torch import nn

class Sum(nn.Module):
    """Takes anything: floats go on, integers are embedded."""
    def __init__(self):
        super().__init__()
        self.embed, self.first = nn.Embedding(11, 4), nn.LazyLinear(4)
        self.deep = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
        self.first(torch.zeros(1, 4))
    def forward(self, *given, **named):
        parts = [part for part in (*given, *named.values()) if isinstance(part, torch.Tensor)]
        return self.deep(sum(self.first(p) if p.is_floating_point() else self.embed(p % 11).mean(1) for p in parts))

class OneDictionary(Sum):
    def forward(self, batch):
        return super().forward(*batch.values())
'''
LEAVES = (
    "torch.randn(5, 4)", "torch.randn(5, 4).double()", "torch.randn(5, 3)", "torch.randint(11, (5, 7))",
    "torch.zeros(5, 4, dtype=torch.bool)", "torch.empty(0, 4)", "torch.randn(4)", "torch.tensor(1.0)",
    "torch.full((5, 4), float('nan'))", "torch.randn(5, 4, device='meta')", "torch.randn(5, 4, dtype=torch.cfloat)",
    "torch.randn(5, 4).to_sparse()", "torch.randn(5, 4, requires_grad=True) * 2", "None", "3", "'text'", "object()",
    "[]", "{}", "(_ for _ in ())", "open(__file__)", "np.zeros((5, 4))",
)  # fmt: skip
BODIES = (
    "return VALUE",
    "print('noise'); return VALUE",
    "raise ValueError('a mistake\\n in two lines')",
    "raise SystemExit(7)",
    "import sys; sys.stdout.write('x' * 10**5); return VALUE",
    "return inputs()",
    "yield VALUE",
)


def value(draw: random.Random, depth: int = 0) -> str:
    kind = draw.randrange(6) if depth < 2 else 0
    inner = [value(draw, depth + 1) for _ in range(draw.randrange(1, 3))] if kind else []
    if kind == 1:
        return f"({', '.join(inner)},)"
    if kind == 2:
        return "{" + ", ".join(f"'{name}': {one}" for name, one in zip("xy", inner, strict=False)) + "}"
    if kind == 3:
        return f"[{', '.join(inner)}]"
    return draw.choice(LEAVES)


def one(number: int, folder: Path) -> list[str]:
    draw = random.Random(number)
    body = draw.choice((BODIES[0], *BODIES)).replace("VALUE", value(draw))
    name = draw.choice(("inputs", "inputs", "inputs", "value", "absent", "torch"))
    source = f"{NETS}\nimport numpy as np\ndef inputs():\n    {body}\nvalue = {value(draw)}\n"
    (folder / "own.py").write_text(source, encoding="utf-8")
    net = draw.choice(("Sum", "OneDictionary"))
    outcome = attack(
        "probe", f"own.py:{net}", "--inputs", f"own.py:{name}", *draw.choice(([], ["--json"])), folder=folder
    )
    return [f"{number}: {words}\n{body}\n{value}" for words in complaints(outcome)]


@pytest.mark.parametrize("part", range(2))
def test_any_inputs(part: int, tmp_path: Path) -> None:
    assert not [words for number in range(part, 24, 2) for words in one(number, tmp_path)]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_many_inputs(part: int, tmp_path: Path) -> None:
    assert not [words for number in range(1000 + part, 1160, 4) for words in one(number, tmp_path)]
