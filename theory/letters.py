"""What stands for the field's letters where a terminal's encoding has none of them (``LANG=C``): ``lambda`` for ``λ``."""

from __future__ import annotations

import codecs
import sys

HANDLER = "phasemap.letters"
"""The name of the error handler, for ``TextIOWrapper.reconfigure``."""
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΛΞΠΣΦΨΩ",
        "alpha beta gamma delta eps zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega "
        "Gamma Delta Lambda Xi Pi Sum Phi Psi Omega".split(),
        strict=True,
    )
)
_SIGNS = {
    **{"‖": "||", "·": "*", "×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->", "←": "<-", "↓": "", "↑": "^"},
    **{"≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "∞": "inf", "∝": "~", "±": "+-", "√": "sqrt", "∂": "d", "′": "'"},
    **{"²": "^2", "³": "^3", "½": "1/2", "⁻": "^-", "⟨": "<", "⟩": ">", "─": "-", "━": "-", "│": "|"},
    **dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True)),
}
LETTERS = _GREEK | _SIGNS


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
