"""Advice for residual networks: which decay β, depth scaling δ or width schedule keeps a quantity within its level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from phasemap.sweeps.advice import residual_text
from phasemap.sweeps.advice.adviser import Adviser, Record
from phasemap.sweeps.advice.levels import DIVERGES, LEVELS_PAGE, SCALED_AT, TRAINED_TO, map_levels, measured_level
from phasemap.sweeps.advice.spans import finite, spans
from phasemap.theory.activations import activation
from phasemap.theory.errors import InputError
from phasemap.theory.ranges import check
from phasemap.theory.residual import advice as residual
from phasemap.theory.residual.advice import Level, ResidualSetting
from phasemap.theory.residual.quantities import QUANTITIES
from phasemap.theory.residual.recurrence import SCALINGS, check_parameters
from phasemap.train.families.residual import FAMILY

DEEPEST = 2000
"""Residual blocks: hundreds of networks of that depth are computed."""


class ResidualAdviser(Adviser):
    """By the quantities of "Deep Mean Field Theory" and levels of them."""

    arch = FAMILY.name
    setting = ResidualSetting
    evidence = ("level", "least", "quantity", "lr")
    defaults = {"activation": "tanh"}  # noqa: RUF012

    def advise(
        self, depth: int, settings: dict[str, Any], evidence: Mapping[str, Any], map_source: str | None
    ) -> Record:
        """The quantities of the setting, whether they are within their levels, and each change alone."""
        phase_map = None
        if map_source is not None:
            from phasemap.sweeps.sources.open_map import open_map

            phase_map = open_map([map_source])  # the moments of its data count, unless others are given
            settings = {name: phase_map.attrs[name] for name in ("p0", "gamma0") if name in phase_map.attrs} | settings
        if depth > DEEPEST:
            raise InputError(f"--depth {depth}: each change is tried in every layer; expected at most {DEEPEST}")
        setting = ResidualSetting(depth=depth, **settings)
        _check(setting)
        levels = map_levels(phase_map, str(map_source)) if phase_map is not None else _levels(setting, evidence)
        now = residual.predict(setting)
        verdict, reason = _judged(now, levels)
        return {
            "arch": self.arch,
            "depth": depth,
            "setting": {name: value for name, value in asdict(setting).items() if name != "depth"},
            "levels": [_level(level, now) for level in levels],
            "predicted": {name: finite(value) for name, value in now.items()},
            "verdict": verdict,
            "reason": reason,
            "advice": _advice(setting, levels, now, _tried(evidence, map_source)) if verdict is not None else [],
            "notes": _notes(setting, evidence, map_source),
        }

    def lines(self, record: Mapping[str, Any]) -> Sequence[str]:
        """The answer as lines for a person."""
        return residual_text.lines(record)


ADVISER = ResidualAdviser()


def _check(setting: ResidualSetting) -> None:
    activation(setting.activation, slope=setting.slope, alpha=setting.alpha)
    numbers = {
        name: value
        for name, value in asdict(setting).items()
        if name not in ("activation", "depth", "widths", "slope", "alpha")
    }
    mistakes = check_parameters(numbers, setting.depth, setting.widths)
    if mistakes:
        raise InputError(*mistakes)


def _levels(setting: ResidualSetting, about: Mapping[str, Any]) -> list[Level]:
    quantity = about.get("quantity", "p")
    if quantity not in QUANTITIES:
        raise InputError(f"--quantity {quantity}: expected one of {', '.join(QUANTITIES)}")
    bounds = [(about[name], name == "level") for name in ("level", "least") if name in about]
    check(**{name: about[name] for name in ("level", "least", "lr") if name in about})
    if bounds:
        return [Level(quantity, value, value, value, at_most, "given") for value, at_most in bounds]
    if "quantity" in about:
        raise InputError(f"--quantity {quantity}: give --level or --least with it")
    return measured_level(setting.activation, about.get("lr", 1e-4))


def _judged(now: Mapping[str, float], levels: Sequence[Level]) -> tuple[str | None, str]:
    """The worst verdict of all levels; None with the reason."""
    if not levels:
        return None, (
            "no trusted level: on the maps trained here tanh networks lose accuracy little by little and do not fail at"
            f" one level of any quantity ({LEVELS_PAGE}); give --quantity with --level or --least, or --map"
        )
    missing = [level.quantity for level in levels if math.isnan(now[level.quantity])]
    if missing:
        return None, f"the theory gives no {', '.join(missing)} here"
    verdicts = [level.verdict(now[level.quantity]) for level in levels]
    return next(word for word in ("beyond", "borderline", "within") if word in verdicts), ""


def _level(level: Level, now: Mapping[str, float]) -> Record:
    return {
        "quantity": level.quantity,
        "label": QUANTITIES[level.quantity][0],
        "bound": "at most" if level.at_most else "at least",
        "value": level.value,
        "interval": [level.low, level.high],
        "origin": level.origin,
        "verdict": level.verdict(now[level.quantity]),
    }


def _tried(about: Mapping[str, Any], map_source: str | None) -> list[str]:
    """The exponents that a level holds for: one that is given, for all; a measured one, for those that were trained."""
    given = map_source is not None or {"level", "least"} & set(about)
    scaled = given or about.get("lr", 1e-4) in SCALED_AT
    return [name for name, changed in residual.EXPONENTS.items() if scaled or not set(changed) & set(SCALINGS)]


def _advice(
    setting: ResidualSetting, levels: Sequence[Level], present: Mapping[str, float], tried: Sequence[str]
) -> list[Record]:
    found = []
    holds = all(level.beyond(present[level.quantity]) <= 0 for level in levels)
    for name in tried:
        changed = residual.EXPONENTS[name]
        exponents = [getattr(setting, each) for each in changed]
        now = exponents[0] if len(set(exponents)) == 1 else None
        scan = residual.advise_exponent(setting, name, levels)
        found.append(
            {
                "parameter": name,
                "changes": list(changed),
                "now": now,
                **spans(scan),
                "recommended": {"value": now, **{level.quantity: present[level.quantity] for level in levels}}
                if holds  # then nothing need change, however the members differ
                else _changed(setting, changed, scan.nearest(max(exponents)), levels),
                "best": _changed(setting, changed, scan.best, levels),
            }
        )
    return found if holds else found + _width_advice(setting, levels)


def _changed(
    setting: ResidualSetting, names: Sequence[str], value: float | str | None, levels: Sequence[Level]
) -> Record | None:
    """The quantities that have a level, with one value for all of ``names``."""
    if value is None:
        return None
    now = residual.predict(setting.with_(names, value))
    return {"value": value, **{level.quantity: finite(now[level.quantity]) for level in levels}}


def _width_advice(setting: ResidualSetting, levels: Sequence[Level]) -> list[Record]:
    """The paper's narrowing of Sec. 6 from a constant width, for levels on gradients."""
    widths = setting.widths or "2048"
    scan = residual.advise_widths(setting, int(widths), levels) if widths.isdigit() else None
    if scan is None:
        return []
    chosen, best = (
        None if factor is None else residual.narrowing(int(widths), factor)
        for factor in (scan.nearest(1.0, True), scan.best)
    )
    return [
        {
            "parameter": "widths",
            "changes": ["widths"],
            "now": widths,
            **spans(scan),
            "recommended": _changed(setting, ["widths"], chosen, levels),
            "best": _changed(setting, ["widths"], best, levels),
        }
    ]


def _notes(setting: ResidualSetting, about: Mapping[str, Any], map_source: str | None) -> list[str]:
    if map_source is None and setting.activation == "relu" and not {"level", "least"} & set(about):
        others = "; ".join(f"{level:g} at {lr:g}" for lr, (level, _, _) in DIVERGES.items())
        deeper = f" The deepest networks had {TRAINED_TO} blocks." if setting.depth > TRAINED_TO else ""
        return [
            f"The level of log p depends on the learning rate ({others}) and was measured with plain SGD without"
            f" momentum, over beta, and at 1e-4 over depth_scaling.{deeper} With a map of your own: --map DIR."
        ]
    return []
