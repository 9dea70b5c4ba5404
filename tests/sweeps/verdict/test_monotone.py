"""The monotone fit: scikit-learn's numbers where both can be asked, to rounding."""

from __future__ import annotations

import numpy as np
import pytest

from phasemap.sweeps.verdict.monotone import best_fit, fit


@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_isotonic_regression_of_scikit_learn(seed: int, increasing: bool) -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 25, 60) / 4 if seed % 2 else rng.standard_normal(60)  # with ties, and without
    y = (x if increasing else -x) + rng.standard_normal(60)
    asked = np.linspace(x.min() - 1, x.max() + 1, 301)
    expected = isotonic.IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(x, y)
    found = fit(x, y, increasing=increasing)
    np.testing.assert_allclose(found(asked), expected.predict(asked), rtol=1e-12, atol=1e-12)
    assert found.missed == pytest.approx(float(np.sum((expected.predict(x) - y) ** 2)))


def test_the_better_direction_is_taken() -> None:
    x, y = np.arange(6.0), np.array([5.0, 4.0, 4.5, 2.0, 1.0, 0.0])
    found = best_fit(x, y)
    np.testing.assert_allclose(found.value, [5, 4.25, 4.25, 2, 1, 0])
    assert found.missed == pytest.approx(0.125)
    np.testing.assert_allclose(found(np.array([-3.0, 2.5, 9.0])), [5, 3.125, 0])
    assert best_fit(x, np.full(6, 2.0)).value.tolist() == [2.0] * 6
