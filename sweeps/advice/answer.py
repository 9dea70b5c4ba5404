"""``phasemap advise``: is a network trainable by theory, and which γ, β, ε, batch size, β_• or widths would make it so.

Every number comes from the theory at the very setting named; the factor κ and the levels come from maps, or are the
paper's or the user's, and the answer says which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from phasemap.sweeps.advice import kappa_and_levels as maps
from phasemap.sweeps.advice.kappa_and_levels import Kappa
from phasemap.theory.activations import activation
from phasemap.theory.batchnorm import advice as bn
from phasemap.theory.batchnorm.advice import Predicted
from phasemap.theory.batchnorm.gradient_explosion import check_batch_size, check_scales
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.errors import InputError
from phasemap.theory.parameter_search import Found, Span
from phasemap.theory.residual import advice as residual
from phasemap.theory.residual.advice import Level, ResidualSetting
from phasemap.theory.residual.quantities import QUANTITIES
from phasemap.theory.residual.recurrence import check_parameters

ARCHITECTURES = ("bn-mlp", "resnet")
DEFAULTS: dict[str, dict[str, Any]] = {
    "bn-mlp": {"activation": "relu", "batch_size": 64, "eps": 1e-3},
    "resnet": {"activation": "tanh"},
}
"""Where they differ from those of ``Setting`` and ``ResidualSetting``; ε is that of the papers' networks."""
ABOUT_KAPPA = ("kappa",)
ABOUT_LEVELS = ("quantity", "level", "least", "lr")
Record = dict[str, Any]


def advise(arch: str, depth: int, given: Mapping[str, Any], map_source: str | None = None) -> Record:
    """The whole answer, ready for strict JSON.

    Args:
        given: the options that were given, by name: fields of ``Setting`` (bn-mlp) or ``ResidualSetting`` (resnet), and
            ``kappa``, or ``quantity``, ``level``, ``least`` and ``lr``.
        map_source: an output folder or ``wandb:ENTITY/PROJECT/SWEEP``, for κ or the levels.

    Raises:
        InputError: one line for every mistake.
    """
    if arch not in ARCHITECTURES:
        raise InputError(f"--arch {arch}: expected one of {', '.join(ARCHITECTURES)}")
    own = {field.name for field in fields(Setting if arch == "bn-mlp" else ResidualSetting)} - {"depth"}
    extra = ABOUT_KAPPA if arch == "bn-mlp" else ABOUT_LEVELS
    mistakes = [f"--{name.replace('_', '-')}: {arch} has none" for name in given if name not in {*own, *extra}]
    if depth < 1:
        mistakes.append(f"--depth {depth}: expected an integer of at least 1")
    if map_source is not None:
        twice = [name for name in ("kappa", "level", "least", "quantity", "lr") if name in given]
        mistakes += [f"--{name}: it comes from --map; give only one of them" for name in twice]
    if mistakes:
        raise InputError(*mistakes)
    settings = DEFAULTS[arch] | {name: value for name, value in given.items() if name in own}
    if arch == "bn-mlp":
        return _batchnorm(Setting(**settings), depth, given.get("kappa"), map_source)
    return _residual(settings, depth, {name: given[name] for name in extra if name in given}, map_source)


def _batchnorm(setting: Setting, depth: int, kappa: float | None, map_source: str | None) -> Record:
    check_batch_size(int(setting.batch_size))
    check_scales(setting.eps, setting.sigma_w)
    if not (math.isfinite(setting.gamma) and setting.gamma > 0 and math.isfinite(setting.beta)):
        raise InputError(f"--gamma {setting.gamma}, --beta {setting.beta}: expected finite numbers, gamma above 0")
    now = bn.predict(setting)
    factor = maps.papers_kappa() if kappa is None else maps.given_kappa(kappa)
    if map_source is not None:
        factor = maps.map_kappa(maps.load(map_source), map_source)
    xi = now.governing_xi
    return {
        "arch": "bn-mlp",
        "depth": depth,
        "setting": asdict(setting) | {"batch_size": int(setting.batch_size)},
        "kappa": asdict(factor),
        "predicted": _predicted(now, factor, depth),
        "verdict": None if xi is None else factor.verdict(depth, xi),
        "reason": now.reason,
        "advice": [_change(setting, name, depth, factor) for name in bn.PARAMETERS],
        "notes": _notes(setting, factor),
    }


def _predicted(found: Predicted, kappa: Kappa, depth: int) -> Record:
    """What is infinite is null, and ``regime`` says why."""
    xi = found.governing_xi
    reach = None if xi is None or math.isinf(xi) else kappa.value * xi
    return {
        "rate": found.rate,
        "depth_scale": _finite(found.xi),
        "error": found.error,
        "regime": found.regime,
        "signal_depth_scale": _finite(found.signal_xi),
        "reach": reach,
        "reach_interval": None if reach is None or xi is None else [kappa.low * xi, kappa.high * xi],
        "margin": None if reach is None else reach / depth,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _change(setting: Setting, name: str, depth: int, kappa: Kappa) -> Record:
    """One parameter alone, judged with the lower end of κ."""
    found = bn.advise(setting, name, kappa.low / depth)
    trains = abs(bn.log_rate(setting)) <= kappa.low / depth  # then nothing need change, whatever was scanned

    def at(value: float | None) -> Record | None:
        if value is None:
            return None
        whole = int(value) if name == "batch_size" else value
        return {"value": whole, **_predicted(bn.predict(setting.with_(name, value)), kappa, depth)}

    now = getattr(setting, name)
    record = {
        "parameter": name,
        "now": int(now) if name == "batch_size" else now,
        **_spans(found, whole=name == "batch_size"),
        "recommended": at(float(now) if trains else found.nearest(float(now), name != "beta")),
        "best": at(found.best),
        "experiment": maps.EXPERIMENTS.get((setting.activation, name)),
    }
    if name == "batch_size":
        try:
            record["limit"] = _predicted(bn.limit(setting), kappa, depth)
        except InputError:  # the limit has no collapse at a kink
            record["limit"] = None
    return record


def _spans(found: Found, *, whole: bool = False) -> Record:
    number = int if whole else float
    return {
        "scanned": [number(found.low), number(found.high)],
        "monotone": found.monotone,
        "intervals": [
            {
                "low": number(span.low),
                "high": number(span.high),
                "open_low": span.open_low,
                "open_high": span.open_high,
            }
            for span in found.spans
        ],
    }


def span_of(record: Mapping[str, Any]) -> Span:
    """An interval of the answer."""
    return Span(float(record["low"]), float(record["high"]), record["open_low"], record["open_high"])


def _notes(setting: Setting, kappa: Kappa) -> list[str]:
    notes = []
    if kappa.support is None and kappa.value == maps.PAPERS_KAPPA:
        notes.append(
            f"kappa = 16 is the paper's; maps of small networks measured here give less ({maps.KAPPA_PAGE})."
            " With a map of your own data, width and learning rate: --map DIR."
        )
    if kappa.support is not None:
        theirs = kappa.support["activation"]
        if theirs != setting.activation:
            notes.append(f"kappa was measured with {theirs}, not {setting.activation}.")
        if kappa.low == kappa.high:
            notes.append("kappa rests on a single column, so it has no interval.")
        else:
            notes.append("The advice is judged with the lower end of kappa's interval.")
    if kappa.support is not None or kappa.value != maps.PAPERS_KAPPA:
        return notes
    tested = {name: maps.EXPERIMENTS.get((setting.activation, name)) for name in bn.PARAMETERS}
    there = ", ".join(f"{name.replace('_', ' ')} {experiment}" for name, experiment in tested.items() if experiment)
    if there:
        notes.append(f"Experiments that test this advice (phasemap run NAME --preset quick): {there}.")
    return notes


def _residual(settings: dict[str, Any], depth: int, about: dict[str, Any], map_source: str | None) -> Record:
    phase_map = None if map_source is None else maps.load(map_source)
    if phase_map is not None:  # the moments of the map's data, unless others are given
        settings = {name: phase_map.attrs[name] for name in ("p0", "gamma0") if name in phase_map.attrs} | settings
    setting = ResidualSetting(depth=depth, **settings)
    activation(setting.activation, slope=setting.slope, alpha=setting.alpha)
    numbers = {
        name: value
        for name, value in asdict(setting).items()
        if name not in ("activation", "depth", "widths", "slope", "alpha")
    }
    mistakes = check_parameters(numbers, depth, setting.widths)
    if mistakes:
        raise InputError(*mistakes)
    levels = maps.map_levels(phase_map, str(map_source)) if phase_map is not None else _levels(setting, about)
    now = residual.predict(setting)
    verdict, reason = _judged(now, levels)
    return {
        "arch": "resnet",
        "depth": depth,
        "setting": {name: value for name, value in asdict(setting).items() if name != "depth"},
        "levels": [_level(level, now) for level in levels],
        "predicted": {name: _finite(value) for name, value in now.items()},
        "verdict": verdict,
        "reason": reason,
        "advice": _residual_advice(setting, levels, now) if verdict is not None else [],
        "notes": _residual_notes(setting, about, map_source),
    }


def _levels(setting: ResidualSetting, about: Mapping[str, Any]) -> list[Level]:
    quantity = about.get("quantity", "p")
    if quantity not in QUANTITIES:
        raise InputError(f"--quantity {quantity}: expected one of {', '.join(QUANTITIES)}")
    bounds = [(about[name], name == "level") for name in ("level", "least") if name in about]
    if not all(math.isfinite(value) for value, _ in bounds):
        raise InputError(f"--level, --least: expected finite numbers, of {QUANTITIES[quantity][0]}")
    if bounds:
        return [Level(quantity, value, value, value, at_most, "given") for value, at_most in bounds]
    if "quantity" in about:
        raise InputError(f"--quantity {quantity}: give --level or --least with it")
    return maps.measured_level(setting.activation, about.get("lr", 1e-4))


def _judged(now: Mapping[str, float], levels: Sequence[Level]) -> tuple[str | None, str]:
    """The worst verdict of all levels; None with the reason."""
    if not levels:
        return None, (
            "no trusted level: on the maps trained here tanh networks lose accuracy little by little and do not fail at"
            f" one level of any quantity ({maps.LEVELS_PAGE}); give --quantity with --level or --least, or --map"
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


def _residual_advice(setting: ResidualSetting, levels: Sequence[Level], present: Mapping[str, float]) -> list[Record]:
    found = []
    holds = all(level.beyond(present[level.quantity]) <= 0 for level in levels)
    for name, changed in residual.BETAS.items():
        betas = [getattr(setting, each) for each in changed]
        now = betas[0] if len(set(betas)) == 1 else None
        scan = residual.advise_beta(setting, name, levels)
        found.append(
            {
                "parameter": name,
                "changes": list(changed),
                "now": now,
                **_spans(scan),
                "recommended": {"value": now, **{level.quantity: present[level.quantity] for level in levels}}
                if holds  # then nothing need change, however the members differ
                else _changed(setting, changed, scan.nearest(max(betas)), levels),
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
    return {"value": value, **{level.quantity: _finite(now[level.quantity]) for level in levels}}


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
            **_spans(scan),
            "recommended": _changed(setting, ["widths"], chosen, levels),
            "best": _changed(setting, ["widths"], best, levels),
        }
    ]


def _residual_notes(setting: ResidualSetting, about: Mapping[str, Any], map_source: str | None) -> list[str]:
    if map_source is None and setting.activation == "relu" and not {"level", "least"} & set(about):
        others = "; ".join(f"{level:g} at {lr:g}" for lr, (level, _, _) in maps.DIVERGES.items())
        return [
            f"The level of log p depends on the learning rate ({others}) and was measured with plain SGD without"
            " momentum. With a map of your own: --map DIR."
        ]
    return []
