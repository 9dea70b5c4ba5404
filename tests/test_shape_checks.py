"""A shape that is not what an annotation says is an error, in every test, also where the function was called before."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from phasemap.sweeps.verdict.monotone import fit
from tests.shape_checks import FIRST_CALLS


@pytest.mark.parametrize("again", range(3))
def test_a_wrong_shape_is_an_error_in_every_test(again: int) -> None:
    x = np.arange(3.0)
    with pytest.raises(TypeCheckError):
        fit(x, np.zeros((3, 1)), increasing=True)
    for _ in range(FIRST_CALLS):
        fit(x, x, increasing=True)
    with pytest.raises(ValueError):  # unheard: what NumPy says of it  # noqa: PT011
        fit(x, np.zeros((3, 1)), increasing=True)
