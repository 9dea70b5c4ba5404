"""The shapes that annotations name are checked while the tests run (by the hook in tests/conftest.py)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from phasemap.models.stack import leave
from phasemap.sweeps.verdict.kappa_interval import held_out_best
from phasemap.theory.integrals.sphere import weight_powers


@pytest.mark.parametrize(
    "call",
    [
        lambda: weight_powers(np.zeros(2), np.zeros(3)),
        lambda: leave(torch.zeros(2, 3), 1, []),
        lambda: held_out_best(np.zeros((2, 3))),
    ],
)
def test_a_wrong_shape_is_an_error(call: Callable[[], object]) -> None:
    with pytest.raises(TypeCheckError):
        call()
