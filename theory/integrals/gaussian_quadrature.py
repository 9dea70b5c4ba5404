"""The transforms of Defn C.1 for any activation, by composite Gauss-Legendre rules that follow φ and the Gaussian.

With u = (z + z′)/2 and w = (z − z′)/2, independent with variances A = q − t/2 and B = t/2,

    W = E φ(u + w)φ(u − w),   D = ½E(φ(u + w) − φ(u − w))².

D is a sum of squares, so nothing cancels as c → 1 (B → 0). For each node w the panels in u break at every kink and at
points graded away from the features of φ(u ± w), from a unit panel near them to the standard deviation far out: 1e-10
holds at q ~ 1e6 for a φ that varies on scale 1 near 0 and is nearly polynomial beyond. The unit is halved until V and
Vφ′ agree between two units; a φ for which they never do (one that oscillates over all of z) is refused.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from jaxtyping import Float

from phasemap.theory.activations import Activation
from phasemap.theory.errors import InputError
from phasemap.theory.integrals.gaussian_closed_forms import DegreeOne
from phasemap.theory.integrals.gaussian_moments import Array, Moments

ORDER = 12
REACH = 9.0  # standard deviations; e^(−REACH²/2) = 3e-18
TOLERANCE = 1e-11
UNITS = tuple(2.0**-n for n in range(7))
ROWS = 128
"""Nodes of the outer rule that are worked on at a time."""
FAR = 1e20
"""Variance beyond which a φ that becomes two lines is those lines, to 1e-10; nothing is known of another."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
_TINY_GRADES = 2.0 ** -np.arange(1, 41, 4)  # towards a kink, where φ may behave like |z|^α


def _ends(
    features: Float[np.ndarray, "rows features"], deviation: float, unit: float, kinked: bool
) -> Float[np.ndarray, "rows ends"]:
    """Sorted panel ends of each row, covering ±REACH deviations; panels of no width are harmless."""
    unit = min(unit, deviation)
    # panel ends at distances from a feature, in units: even near it, then growing with the distance by at most 3/2
    far = 9 * 1.5 ** np.arange(np.ceil(np.log(REACH * deviation / unit) / np.log(1.5)))
    grades = np.concatenate([_TINY_GRADES if kinked else [], np.arange(9.0), far])
    graded = np.concatenate([-grades, grades]) * unit
    near = (features[:, :, None] + graded).reshape(len(features), -1)
    gaussian = np.broadcast_to(deviation * np.arange(-REACH, REACH + 1), (len(features), int(2 * REACH) + 1))
    return np.sort(np.clip(np.concatenate([near, gaussian], axis=1), -REACH * deviation, REACH * deviation), axis=1)


def _rule(
    features: Float[np.ndarray, "rows features"], variance: float, unit: float, kinked: bool
) -> tuple[Float[np.ndarray, "rows nodes"], Float[np.ndarray, "rows nodes"]]:
    """Nodes and weights of E over N(0, variance), one rule for each row of features."""
    deviation = float(np.sqrt(variance))
    if deviation == 0:
        return np.zeros((len(features), 1)), np.ones((len(features), 1))
    ends = _ends(features, deviation, unit, kinked)
    half = np.diff(ends, axis=1)[:, :, None] / 2
    nodes = (ends[:, :-1, None] + half * (1 + _NODES)).reshape(len(features), -1)
    weights = (half * _WEIGHTS).reshape(len(features), -1)
    density = np.exp(-((nodes / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    return nodes, weights * density


class Quadrature:
    """Transforms of any activation: 1e-10 relative (for D: while 1 − c ≥ 1e-10), 5 to 20 ms for each point.

    Args:
        finer: by what the panels of the last rule are shorter than those that have converged; a check of the others.

    Raises:
        InputError: on a call, where the quadrature does not converge. Where φ² overflows, or the variance is beyond
            ``FAR`` for a φ that is no line far out, V is inf and the rest NaN.
    """

    def __init__(self, activation: Activation, finer: float = 1.0) -> None:
        self.activation, self.finer = activation, finer
        self.kinks = np.array(sorted({0.0, *activation.kinks}))
        self.kinked = bool(activation.kinks)

    def __call__(self, variance: Array, gap: Array, covariance: Array) -> Moments:
        results = np.full((4, variance.size), np.nan)
        for index, (q, t) in enumerate(zip(variance.flat, gap.flat, strict=True)):
            if np.isfinite(q) and (q <= FAR or self.activation.degree is not None):
                results[:, index] = self._scaled(float(q), float(t))
        far = (variance.ravel() > FAR) & np.isfinite(variance.ravel())
        if self.activation.degree is None and far.any():
            results[0, far] = np.inf
            if self.lines is not None:
                beyond = self.lines(*(array.ravel()[far] for array in (variance, gap, covariance)))
                results[:, far] = beyond.v, beyond.v_derivative, beyond.w, beyond.gap
        return Moments(*(row.reshape(variance.shape) for row in results))

    @cached_property
    def lines(self) -> DegreeOne | None:
        """The two lines that φ is far from 0, in place of φ beyond ``FAR``; None for a φ that is no line there."""
        far = np.array([1e10, 3e11, 1e15])
        with np.errstate(all="ignore"):
            values = [self.activation.phi(sign * far) / (sign * far) for sign in (1, -1)]
            slopes = [self.activation.derivative(sign * far) for sign in (1, -1)]
            right, left = (float(value[-1]) for value in values)
            wrong = [np.abs(one[side] - line) for one in (values, slopes) for side, line in enumerate((right, left))]
        if not np.max(wrong) <= 1e-9 * (abs(right) + abs(left)):
            return None
        return DegreeOne(right, -left)

    def _scaled(self, q: float, t: float) -> tuple[float, float, float, float]:
        """The point itself, or for a homogeneous φ the one at variance 1: Vφ(q) = q^α·Vφ(1)."""
        degree = self.activation.degree
        if degree is None or q == 0:
            return self._point(q, t)
        v, v_derivative, w, difference = self._point(1.0, t / q)
        with np.errstate(over="ignore"):
            size, slope = np.float64(q) ** degree, np.float64(q) ** (degree - 1)
            return size * v, slope * v_derivative, size * w, size * difference

    def _point(self, q: float, t: float) -> tuple[float, float, float, float]:
        v, v_derivative, unit = self._one_dimensional(q)
        if not np.isfinite(v):
            return v, np.nan, np.nan, np.nan
        phi = self.activation.phi
        # the inner mean varies with w on the scale of u's deviation where kinks of φ(u + w) and φ(u − w) meet
        meetings = np.unique((self.kinks[:, None] - self.kinks[None, :]) / 2)[None, :]
        inner = float(np.sqrt(max(q - t / 2, 0.0)))
        w, w_weights = _rule(meetings, t / 2, min(unit, inner) or unit, self.kinked)
        keep = (w_weights[0] > 0) & (w[0] >= 0)  # both integrands are even in w, and so is the rule
        w, w_weights = w[0, keep], np.where(w[0, keep] > 0, 2, 1) * w_weights[0, keep]
        products, squares = np.empty(len(w)), np.empty(len(w))
        for first in range(0, len(w), ROWS):  # a table of all rows may have more numbers than fit into memory
            some = slice(first, first + ROWS)
            shift = w[some, None]
            u, u_weights = _rule(np.hstack([self.kinks - shift, self.kinks + shift]), inner**2, unit, self.kinked)
            plus, minus = phi(u + shift), phi(u - shift)
            products[some] = np.sum(u_weights * plus * minus, axis=1)
            squares[some] = np.sum(u_weights * (plus - minus) ** 2, axis=1)
        return v, v_derivative, float(w_weights @ products), float(w_weights @ squares / 2)

    def lengths(self, q: float) -> tuple[float, float, float]:
        """V, its derivative V′(q) = E h·φ(h)φ′(h)/q, and Vφ′, at one q > 0; what is not known is NaN, or V infinite."""
        if q > FAR and self.lines is not None:
            half = (self.lines.a**2 + self.lines.b**2) / 2
            return half * q, half, half
        v, _, unit = self._one_dimensional(q) if q <= FAR else (np.inf, np.nan, 1.0)
        if not np.isfinite(v):
            return np.inf, np.nan, np.nan
        nodes, weights = _rule(self.kinks[None, :], q, unit, self.kinked)
        phi, slope = self.activation.phi(nodes), self.activation.derivative(nodes)
        moments = (phi * phi, nodes * phi * slope / q, slope * slope)
        v, rate, slopes = (float(np.sum(weights * each)) for each in moments)
        return v, rate, slopes

    def _one_dimensional(self, q: float) -> tuple[float, float, float]:
        """V and Vφ′ at q, and the panel unit at which both have converged."""
        previous = None
        functions = (self.activation.phi, self.activation.derivative)
        for unit in UNITS:
            nodes, weights = _rule(self.kinks[None, :], q, unit, self.kinked)
            with np.errstate(over="ignore", invalid="ignore"):
                found = np.array([np.sum(weights * f(nodes) ** 2) for f in functions])
            if not np.isfinite(found[0]):
                return np.inf, np.nan, unit
            if previous is not None and np.all(np.abs(found - previous) <= TOLERANCE * np.abs(found)):
                return float(found[0]), float(found[1]), unit * 2 * self.finer
            previous = found
        raise InputError(
            f"activation {self.activation.label!r}: E φ(z)² or E φ′(z)² at variance {q:.6g} does not converge; "
            "expected a φ that is smooth but for its declared kinks and does not oscillate over all of z"
        )
