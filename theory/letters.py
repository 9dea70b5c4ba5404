"""What stands for the field's letters where an encoding has none of them (``LANG=C``): ``lambda`` for ``λ``."""

from __future__ import annotations

import codecs
import sys

HANDLER = "phasemap.letters"
"""The name of the error handler, for ``TextIOWrapper.reconfigure``."""
_PAIRS = """
α alpha β beta γ gamma δ delta ε eps ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi ρ rho σ sigma
τ tau υ upsilon φ phi χ chi ψ psi ω omega Γ Gamma Δ Delta Λ Lambda Ξ Xi Π Pi Σ Sum Φ Phi Ψ Psi Ω Omega
‖ || · * × x − - – - — - … ... → -> ← <- ↑ ^ ≤ <= ≥ >= ≈ ~ ≠ != ∞ inf ∝ ~ ± +- √ sqrt ∂ d ′ ' ² ^2 ³ ^3 ½ 1/2 ⁻ ^-
⟨ < ⟩ > ─ - ━ - │ | ₀ 0 ₁ 1 ₂ 2 ₃ 3 ₄ 4 ₅ 5 ₆ 6 ₇ 7 ₈ 8 ₉ 9
"""
_words = _PAIRS.split()
LETTERS = dict(zip(_words[::2], _words[1::2], strict=True))


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(
        LETTERS.get(letter, letter.encode("ascii", "backslashreplace").decode()) for letter in missing
    ), error.end


codecs.register_error(HANDLER, _replace)


def use_plain_letters() -> None:
    """From now on nothing that is printed fails for its letters, whatever the standard streams' encoding."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)
