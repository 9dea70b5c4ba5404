"""An independent high-precision implementation of the transforms and recurrences: mpmath, scalar loops, no shared code.

V, Vφ′ and W of an entire-on-a-strip φ (tanh) come from the trapezoid rule over two independent normals, whose error is
exp(−2π·d/step) for a strip of half-width d = π/(2√q); those of relu from Cho & Saul's arc-cosine form as printed. D is
V − W at 50 digits: cancellation is met by digits here, not by another formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp

mp.mp.dps = 50


@dataclass(frozen=True)
class Phi:
    v: Callable[[mp.mpf], mp.mpf]
    v_derivative: Callable[[mp.mpf], mp.mpf]
    w: Callable[[mp.mpf, mp.mpf], mp.mpf]


def relu() -> Phi:
    def w(q: mp.mpf, lam: mp.mpf) -> mp.mpf:
        c = lam / q
        return q / (2 * mp.pi) * (mp.sqrt(1 - c**2) + (mp.pi - mp.acos(c)) * c)

    return Phi(lambda q: q / 2, lambda q: mp.mpf(1) / 2, w)


def tanh(digits: int = 16) -> Phi:
    """V, Vφ′ and W of tanh to ``digits``."""

    def normal(q: mp.mpf) -> list[tuple[mp.mpf, mp.mpf]]:
        # the double pole of tanh² costs a factor of about 1/step², hence 3 digits more
        nats = (digits + 3) * mp.log(10)
        step = min(mp.mpf(1) / 2, mp.pi**2 / mp.sqrt(q) / nats)
        reach = int(mp.ceil(mp.sqrt(2 * nats) / step))
        return [(step * n, step * mp.npdf(step * n)) for n in range(-reach, reach + 1)]

    def one(f: Callable) -> Callable[[mp.mpf], mp.mpf]:
        def mean(q: mp.mpf) -> mp.mpf:
            with mp.workdps(digits + 8):
                return mp.fsum(weight * f(mp.sqrt(q) * x) ** 2 for x, weight in normal(q))

        return mean

    def w(q: mp.mpf, lam: mp.mpf) -> mp.mpf:
        with mp.workdps(digits + 8):
            root, c = mp.sqrt(q), lam / q
            other = mp.sqrt(1 - c**2)
            rule = normal(q)
            rows = (mp.fsum(wy * mp.tanh(root * (c * x + other * y)) for y, wy in rule) for x, _ in rule)
            return mp.fsum(wx * mp.tanh(root * x) * row for (x, wx), row in zip(rule, rows, strict=True))

    return Phi(one(mp.tanh), one(lambda z: mp.sech(z) ** 2), w)


def trace(
    phi: Phi,
    depth: int,
    *,
    sigma: dict[str, float],
    beta: dict[str, float],
    p0: float = 1.0,
    gamma0: float = 0.5,
    widths: Sequence[int] | None = None,
    hidden: Sequence[int] | None = None,
) -> dict[str, list[mp.mpf | None]]:
    """Thms C.2 and C.3 written down once more: variance σ²·l^(−β), indices as in docs/errata-resnet.md."""
    wide = list(widths or [1] * (depth + 1))
    inner = hidden or wide  # index 0 is not used

    def variance(name: str, layer: int) -> mp.mpf:
        return mp.mpf(sigma[name]) ** 2 * mp.mpf(layer) ** (-mp.mpf(beta[name]))

    p, gamma, q, lam = [mp.mpf(p0)], [mp.mpf(gamma0)], [None], [None]
    for layer in range(1, depth + 1):
        q.append(variance("w", layer) * p[-1] + variance("b", layer))
        lam.append(variance("w", layer) * gamma[-1] + variance("b", layer))
        p.append(variance("v", layer) * phi.v(q[-1]) + variance("a", layer) + p[-1])
        gamma.append(variance("v", layer) * phi.w(q[-1], lam[-1]) + variance("a", layer) + gamma[-1])
    chi = [mp.mpf(1)] * (depth + 1)
    rows: dict[str, list] = {name: [None] * (depth + 1) for name in ("chi_w", "chi_v", "chi_a", "chi_b", "chi_pi")}
    for layer in range(depth, 0, -1):
        d = phi.v_derivative(q[layer])
        rows["chi_a"][layer] = chi[layer]
        rows["chi_v"][layer] = chi[layer] * phi.v(q[layer])
        rows["chi_b"][layer] = mp.mpf(wide[layer]) / inner[layer] * variance("v", layer) * chi[layer] * d
        rows["chi_w"][layer] = rows["chi_b"][layer] * p[layer - 1]
        if wide[layer] != wide[layer - 1]:
            rows["chi_pi"][layer] = chi[layer] * p[layer - 1]
        factor = 1 + variance("v", layer) * variance("w", layer) * d
        chi[layer - 1] = chi[layer] * factor * mp.mpf(wide[layer]) / wide[layer - 1]
    s = [a - b for a, b in zip(p, gamma, strict=True)]
    e = [b / a for a, b in zip(p, gamma, strict=True)]
    c = [None, *(b / a for a, b in zip(q[1:], lam[1:], strict=True))]
    return {"p": p, "q": q, "gamma": gamma, "lambda": lam, "s": s, "e": e, "c": c, "chi": chi, **rows}
