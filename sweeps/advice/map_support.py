"""What stands behind a number that was measured on a map: which map, which networks, which training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phasemap.theory.plural import counted

if TYPE_CHECKING:
    import xarray as xr


def judged_metric(phase_map: xr.Dataset) -> str:
    """The accuracy that the map shows; the test accuracy where it shows a loss."""
    from phasemap.sweeps.phase_map.accuracies import ACCURACIES

    return str(phase_map.attrs["metric"]) if phase_map.attrs["metric"] in ACCURACIES else ACCURACIES[0]


def support(phase_map: xr.Dataset, source: str) -> dict[str, Any]:
    """The particulars of a map, for JSON."""
    from phasemap.sweeps.verdict.depth_scale import sum_lr_in_words

    attributes = phase_map.attrs
    return {
        "map": source,
        "experiment": attributes.get("experiment"),
        "activation": attributes.get("activation"),
        "data": str(attributes["data"]).split(", digest")[0],
        "width": attributes.get("width", attributes.get("widths")),
        "sum_lr": sum_lr_in_words(phase_map),
        "optimizer": attributes.get("optimizer"),
        "seeds": int(phase_map.sizes["seed"]),
    }


def in_words(particulars: dict[str, Any]) -> str:
    """The same for a person."""
    return (
        f"{particulars['map']} ({particulars['experiment']}: {particulars['activation']}, {particulars['data']}, width"
        f" {particulars['width']}, {particulars['optimizer']}, Σ lr {particulars['sum_lr']},"
        f" {counted(particulars['seeds'], 'seed')})"
    )
