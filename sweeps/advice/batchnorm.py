"""Advice for networks with batch normalisation: which γ, β, ε or batch size alone makes a network reach the depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from phasemap.sweeps.advice import batchnorm_text, vanishing
from phasemap.sweeps.advice.adviser import Adviser, Record
from phasemap.sweeps.advice.kappa import (
    KAPPA_OF_SMALL,
    KAPPA_PAGE,
    PAPERS_KAPPA,
    SMALL,
    Kappa,
    agreement_of,
    given_kappa,
    map_kappas,
    papers_kappa,
)
from phasemap.sweeps.advice.reach import NEAR, Criterion, Reach, faintest
from phasemap.sweeps.advice.spans import finite, spans
from phasemap.theory.batchnorm import advice as bn
from phasemap.theory.batchnorm.gradient_explosion import check_batch_size, check_scales
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.errors import InputError
from phasemap.theory.parameter_search import Found
from phasemap.theory.ranges import check
from phasemap.train.families.batchnorm_mlp import FAMILY

EXPERIMENTS = {
    ("tanh", "gamma"): "bn-fig5a",
    ("relu", "beta"): "bn-fig5b",
    ("tanh", "eps"): "bn-fig5c",
    ("relu", "eps"): "bn-fig5d",
    ("relu", "batch_size"): "bn-fig3a",
}
"""By activation and parameter: the experiment whose map tests the advice."""
COLUMNS = (0.8, 1.0, 1.25, 1.6)
"""Of the critical ε, for a map that measures what was not tried: those of ``bn-fig5c`` around it."""


class BatchNormAdviser(Adviser):
    """By the depth scale ξ of Yang et al. 2019. ε defaults to that of the papers' networks."""

    arch = FAMILY.name
    setting = Setting
    evidence = ("kappa", "kappa_vanishing")
    defaults = {"activation": "relu", "batch_size": 64, "eps": 1e-3}  # noqa: RUF012

    def advise(
        self, depth: int, settings: dict[str, Any], evidence: Mapping[str, Any], map_source: str | None
    ) -> Record:
        """ξ of the setting, its verdict, and each parameter alone."""
        setting = Setting(**settings)
        check_batch_size(int(setting.batch_size))
        check_scales(setting.eps, setting.sigma_w)
        if not (math.isfinite(setting.gamma) and setting.gamma > 0 and math.isfinite(setting.beta)):
            raise InputError(f"--gamma {setting.gamma}, --beta {setting.beta}: expected finite numbers, gamma above 0")
        check(gamma=setting.gamma, beta=setting.beta)
        criterion = self._criterion(evidence, map_source)
        now, reach = bn.predict(setting), criterion.reach(setting, look_beyond=True)
        verdict = None if reach is None else reach.verdict(depth)
        known = criterion.vanishing_of(setting)
        return {
            "arch": self.arch,
            "depth": depth,
            "setting": asdict(setting) | {"batch_size": int(setting.batch_size)},
            "kappa": _kappa(criterion.exploding if reach is None else reach.kappa),
            "kappa_by_side": {
                "exploding": _kappa(criterion.exploding),
                "vanishing": _kappa(known.kappa if known else None),
            },
            "at_critical": known.at_critical if known else None,
            "predicted": _predicted(setting, depth, criterion),
            "verdict": verdict,
            "reason": now.reason,
            "try": _experiment(setting) if verdict == "not tried" else None,
            # knife edges last
            "advice": sorted((_change(setting, name, depth, criterion) for name in bn.PARAMETERS), key=_is_fragile),
            "notes": _notes(setting, criterion, verdict),
        }

    def lines(self, record: Mapping[str, Any]) -> Sequence[str]:
        """The answer as lines for a person."""
        return batchnorm_text.lines(record)

    def _criterion(self, evidence: Mapping[str, Any], map_source: str | None) -> Criterion:
        if map_source is not None:
            from phasemap.sweeps.sources.open_map import open_map

            phase_map = open_map([map_source])
            found = agreement_of(phase_map, map_source, self.arch)
            kappas = map_kappas(phase_map, map_source, found)
            own = vanishing.of_map(phase_map, found, kappas["vanishing"]) if "vanishing" in kappas else None
            known = vanishing.known(None, own)
            return Criterion(kappas.get("exploding", papers_kappa()), known, faintest(phase_map, found))
        given = {name: given_kappa(name.replace("_", "-"), value) for name, value in evidence.items()}
        return Criterion(given.get("kappa", papers_kappa()), vanishing.known(given.get("kappa_vanishing"), None))


ADVISER = BatchNormAdviser()


def _kappa(kappa: Kappa | None) -> Record:
    if kappa is not None:
        return asdict(kappa)
    return {"value": None, "low": None, "high": None, "origin": "not tried", "support": None}


def _predicted(setting: Setting, depth: int, criterion: Criterion) -> Record:
    """What is infinite is null, and ``regime`` says why; what is not known is null, and ``limited_by`` says so."""
    nothing = Reach(None, None, math.inf, None, "no depth scale")
    found, reach = bn.predict(setting), criterion.reach(setting, look_beyond=True) or nothing
    value = finite(reach.value)
    return {
        "rate": found.rate,
        "depth_scale": finite(found.xi),
        "error": found.error,
        "regime": found.regime,
        "fixed_point": found.fixed_point,
        "signal_depth_scale": finite(found.signal_xi),
        "reach": value,
        "reach_interval": None if value is None else [reach.low, reach.high],
        "limited_by": reach.limit,
        "margin": None if value is None else value / depth,
    }


def _change(setting: Setting, name: str, depth: int, criterion: Criterion) -> Record:
    """One parameter alone, judged with the lower end of κ."""
    found = bn.advise(setting, name, lambda one: criterion.used(one, depth))
    # nothing need change then, whatever was scanned
    trains = abs(criterion.used(setting, depth, look_beyond=True)) <= 1

    def at(value: float | None) -> Record | None:
        if value is None:
            return None
        changed = setting.with_(name, value)
        return {"value": int(value) if name == "batch_size" else value, **_predicted(changed, depth, criterion)}

    now = getattr(setting, name)
    chosen, fragile = _choice(setting, name, depth, criterion, None if trains else found)
    recommended = at(chosen)
    record = {
        "parameter": name,
        "now": int(now) if name == "batch_size" else now,
        **spans(found, whole=name == "batch_size"),
        "recommended": recommended and {**recommended, "fragile": fragile},
        "best": at(found.best),
        "experiment": EXPERIMENTS.get((setting.activation, name)),
    }
    if name == "batch_size":
        try:
            record["limit"] = _predicted(replace(setting, batch_size=math.inf), depth, criterion)
        except InputError:  # the limit has no collapse at a kink
            record["limit"] = None
    return record


def _choice(
    setting: Setting, name: str, depth: int, criterion: Criterion, found: Found | None
) -> tuple[float | None, bool]:
    """The value that is nearest, and whether it is a knife edge; if it is, the nearest that is none, if there is one.

    Args:
        found: the values that reach the depth; None where the present one does, and stays.
    """
    here, logarithmic = float(getattr(setting, name)), name != "beta"
    value = here if found is None else found.nearest(here, logarithmic)
    if value is None or name == "batch_size":
        return value, False
    firm = None if found is None else found.nearest(here, logarithmic, NEAR)
    for one in (value, firm):
        if one is not None and not criterion.fragile(setting.with_(name, one), name, depth):
            return one, False
    return value, True


def _is_fragile(change: Record) -> bool:
    return change["recommended"] is not None and bool(change["recommended"]["fragile"])


def _experiment(setting: Setting) -> str:
    """The command that measures networks like this one: on both sides of the critical ε, or where it is far, over γ."""
    if setting.eps < COLUMNS[0] / 2 * bn.critical(setting):
        experiment, axis = "bn-fig5a", "gamma"
        values = [setting.gamma ** (1 - step / (len(COLUMNS) - 1)) for step in range(len(COLUMNS))]
    else:
        experiment, axis = "bn-fig5c", "eps"
        values = [factor * bn.critical(setting) for factor in COLUMNS]
    network = asdict(setting) | {"batch_size": int(setting.batch_size)}
    usual = asdict(Setting("", 0))
    options = " ".join(
        f"--set {name}={value}" for name, value in network.items() if name != axis and value != usual[name]
    )
    columns = ", ".join(f"{value:.3g}" for value in values)
    return f'phasemap run {experiment} --preset quick {options} --set "{axis}=[{columns}]" --out runs/not-tried'


def _notes(setting: Setting, criterion: Criterion, verdict: str | None) -> list[str]:
    notes = []
    kappa, known = criterion.exploding, criterion.vanishing_of(setting)
    if kappa.support is None and kappa.value == PAPERS_KAPPA:
        notes.append(
            f"κ depends on the data and on how far networks are trained ({KAPPA_PAGE}): with a map of your own,"
            " --map DIR."
        )
        if setting.batch_size < SMALL:
            notes.append(f"In batches of 5 and 6 networks trained to {KAPPA_OF_SMALL:g} ξ only ({KAPPA_PAGE}).")
    if known is None and verdict != "not tried":
        notes.append(
            "No map has networks like this one that lose their signal (eps near the critical one or above it, a small"
            " gamma): no such value is advised."
        )
    supports = [one.support for one in (kappa, known.kappa if known else None) if one is not None and one.support]
    for support in supports[:1]:
        theirs = support["activation"]
        if theirs != setting.activation:
            notes.append(f"κ was measured with {theirs}, not {setting.activation}.")
        if kappa.low == kappa.high:
            notes.append("κ rests on a single column, so it has no interval.")
        else:
            notes.append("The advice is judged with the lower end of κ's interval.")
    if supports or kappa.value != PAPERS_KAPPA:
        return notes
    tested = {name: EXPERIMENTS.get((setting.activation, name)) for name in bn.PARAMETERS}
    there = ", ".join(f"{name.replace('_', ' ')} {experiment}" for name, experiment in tested.items() if experiment)
    if there:
        notes.append(f"Experiments that test this advice (phasemap run NAME --preset quick): {there}.")
    return notes
