"""The theory of plain deep networks, with dropout or layer normalisation; the rooms above import its files, and you the
names here.

Called, ``phasemap.theory.mlp("tanh", sigma_w=[1.2, 1.5])``, it gives its table (``tables.mlp_table``).
"""

import sys
from typing import TYPE_CHECKING, Any

from phasemap.theory.lazy import CallableModule, attribute

if TYPE_CHECKING:
    from phasemap.theory.mlp.critical_line import critical_point
    from phasemap.theory.mlp.record import mlp_record
    from phasemap.theory.mlp.setting import Setting
    from phasemap.theory.mlp.solution import Solution, solve
    from phasemap.theory.mlp.transients import transient

__all__ = ["Setting", "Solution", "critical_point", "mlp_record", "solve", "transient"]
_LINES = {
    "critical_point": "phasemap.theory.mlp.critical_line",
    "mlp_record": "phasemap.theory.mlp.record",
    "Setting": "phasemap.theory.mlp.setting",
    "Solution": "phasemap.theory.mlp.solution",
    "solve": "phasemap.theory.mlp.solution",
    "transient": "phasemap.theory.mlp.transients",
}
_TABLE = "phasemap.theory.tables.mlp_table:mlp"


def __getattr__(name: str) -> Any:
    return attribute(__name__, name, _LINES)


sys.modules[__name__].__class__ = CallableModule
