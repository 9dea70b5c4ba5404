"""Advice for networks with batch normalisation: which γ, β, ε or batch size alone makes κ·ξ reach the depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from phasemap.sweeps.advice import batchnorm_text
from phasemap.sweeps.advice.adviser import Adviser, Record
from phasemap.sweeps.advice.kappa import KAPPA_PAGE, PAPERS_KAPPA, Kappa, given_kappa, map_kappa, papers_kappa
from phasemap.sweeps.advice.spans import finite, spans
from phasemap.theory.batchnorm import advice as bn
from phasemap.theory.batchnorm.advice import Predicted
from phasemap.theory.batchnorm.gradient_explosion import check_batch_size, check_scales
from phasemap.theory.batchnorm.setting import Setting
from phasemap.theory.errors import InputError
from phasemap.train.families.batchnorm_mlp import FAMILY

EXPERIMENTS = {
    ("tanh", "gamma"): "bn-fig5a",
    ("relu", "beta"): "bn-fig5b",
    ("tanh", "eps"): "bn-fig5c",
    ("relu", "eps"): "bn-fig5d",
    ("relu", "batch_size"): "bn-fig3a",
}
"""By activation and parameter: the experiment whose map tests the advice."""


class BatchNormAdviser(Adviser):
    """By the depth scale ξ of Yang et al. 2019. ε defaults to that of the papers' networks."""

    arch = FAMILY.name
    setting = Setting
    evidence = ("kappa",)
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
        now = bn.predict(setting)
        kappa = self._kappa(evidence, map_source)
        xi = now.governing_xi
        return {
            "arch": self.arch,
            "depth": depth,
            "setting": asdict(setting) | {"batch_size": int(setting.batch_size)},
            "kappa": asdict(kappa),
            "predicted": _predicted(now, kappa, depth),
            "verdict": None if xi is None else kappa.verdict(depth, xi),
            "reason": now.reason,
            "advice": [_change(setting, name, depth, kappa) for name in bn.PARAMETERS],
            "notes": _notes(setting, kappa),
        }

    def lines(self, record: Mapping[str, Any]) -> Sequence[str]:
        """The answer as lines for a person."""
        return batchnorm_text.lines(record)

    def _kappa(self, evidence: Mapping[str, Any], map_source: str | None) -> Kappa:
        if map_source is not None:
            from phasemap.sweeps.sources.open_map import open_map

            return map_kappa(open_map([map_source]), map_source, self.arch)
        return given_kappa(evidence["kappa"]) if "kappa" in evidence else papers_kappa()


ADVISER = BatchNormAdviser()


def _predicted(found: Predicted, kappa: Kappa, depth: int) -> Record:
    """What is infinite is null, and ``regime`` says why."""
    xi = found.governing_xi
    reach = None if xi is None or math.isinf(xi) else kappa.value * xi
    return {
        "rate": found.rate,
        "depth_scale": finite(found.xi),
        "error": found.error,
        "regime": found.regime,
        "signal_depth_scale": finite(found.signal_xi),
        "reach": reach,
        "reach_interval": None if reach is None or xi is None else [kappa.low * xi, kappa.high * xi],
        "margin": None if reach is None else reach / depth,
    }


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
        **spans(found, whole=name == "batch_size"),
        "recommended": at(float(now) if trains else found.nearest(float(now), name != "beta")),
        "best": at(found.best),
        "experiment": EXPERIMENTS.get((setting.activation, name)),
    }
    if name == "batch_size":
        try:
            record["limit"] = _predicted(bn.limit(setting), kappa, depth)
        except InputError:  # the limit has no collapse at a kink
            record["limit"] = None
    return record


def _notes(setting: Setting, kappa: Kappa) -> list[str]:
    notes = []
    if kappa.support is None and kappa.value == PAPERS_KAPPA:
        notes.append(
            f"kappa = 16 is the paper's; maps of small networks measured here give less ({KAPPA_PAGE})."
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
    if kappa.support is not None or kappa.value != PAPERS_KAPPA:
        return notes
    tested = {name: EXPERIMENTS.get((setting.activation, name)) for name in bn.PARAMETERS}
    there = ", ".join(f"{name.replace('_', ' ')} {experiment}" for name, experiment in tested.items() if experiment)
    if there:
        notes.append(f"Experiments that test this advice (phasemap run NAME --preset quick): {there}.")
    return notes
