"""A population: which kinds of patient in what numbers, and how each case of a kind is drawn."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from services.ingest.synthetic.anatomy import FEMALE, MALE
from services.ingest.synthetic.draws import Draws
from services.ingest.synthetic.mimics import (
    AFIB,
    CLBBB,
    CRBBB,
    EARLY_REPOL,
    LVH,
    PACE,
    PVC,
    STACH,
)
from services.ingest.synthetic.spec import PatientSpec
from shared.labels import MI_CODES, NORMAL

# Mean age, its spread, share of women: infarcts come later and to more men (as in PTB-XL's records).
_WHO: Mapping[str, tuple[float, float, float]] = {
    NORMAL: (53, 17, 0.55),
    **dict.fromkeys(MI_CODES, (66, 12, 0.33)),
    AFIB: (72, 10, 0.47),
    CLBBB: (71, 11, 0.50),
    CRBBB: (70, 12, 0.35),
    LVH: (67, 13, 0.50),
    EARLY_REPOL: (36, 11, 0.15),
    STACH: (58, 18, 0.55),
    PVC: (66, 14, 0.45),
    PACE: (75, 10, 0.42),
}
# When a patient with an infarct is recorded: hours since onset (log-uniform) and the share of such recordings.
# Most recordings in an archive show an old infarct, few an acute one.
_STAGES: tuple[tuple[float, float, float], ...] = ((0.3, 12.0, 0.07), (12.0, 168.0, 0.15), (168.0, 40_000.0, 0.78))

# Shares of records of each kind, roughly PTB-XL's, but with the rare types made frequent enough to learn.
ARCHIVE: Mapping[str, float] = {
    NORMAL: 0.400,
    "IMI": 0.075,
    "ASMI": 0.070,
    "ILMI": 0.035,
    "AMI": 0.035,
    "ALMI": 0.025,
    "LMI": 0.025,
    "IPLMI": 0.015,
    "IPMI": 0.015,
    "PMI": 0.015,
    AFIB: 0.055,
    CLBBB: 0.025,
    CRBBB: 0.025,
    LVH: 0.080,
    EARLY_REPOL: 0.020,
    STACH: 0.030,
    PVC: 0.040,
    PACE: 0.015,
}


def case(kind: str, seed: int, patient: int, *, rate_mhz: int = 100_000, lead: str = "I") -> PatientSpec:
    """One recorded case of this kind: age, sex, severity and, for an infarct, how long ago it began."""
    draws = Draws(seed, patient, "case")
    mean, spread, women = _WHO[kind]
    spec = PatientSpec(
        kind=kind,
        seed=seed,
        patient=patient,
        rate_mhz=rate_mhz,
        lead=lead,
        age=float(round(min(max(draws.normal("age", mean, spread), 18), 95))),
        sex=FEMALE if draws.uniform("sex") < women else MALE,
        severity=min(max(draws.factor("severity", 0.30), 0.4), 2.2),
        noise=draws.factor("noise", 0.35),
    )
    if kind in MI_CODES:
        severity = min(max(0.85 * draws.factor("severity", 0.50), 0.25), 2.2)
        spec = replace(spec, severity=severity, onset_s=-3600 * _hours(draws))
    return spec


def _hours(draws: Draws) -> float:
    edges = np.cumsum([share for _, _, share in _STAGES])
    stage = min(int(np.searchsorted(edges, draws.uniform("stage"), side="right")), len(_STAGES) - 1)
    low, high, _ = _STAGES[stage]
    return math.exp(draws.uniform("hours", math.log(low), math.log(high)))


def allocate(mix: Mapping[str, float], count: int) -> list[str]:
    """``count`` kinds in the proportions of ``mix``, exactly (largest remainders), every kind at least once if
    ``count`` allows; interleaved so that any stretch of the list has about the same mix."""
    total = sum(mix.values())
    exact = {kind: count * share / total for kind, share in mix.items() if share > 0}
    whole = {kind: math.floor(x) for kind, x in exact.items()}
    if count >= len(whole):
        whole = {kind: max(n, 1) for kind, n in whole.items()}
    while sum(whole.values()) > count:
        whole[max(whole, key=lambda kind: whole[kind] - exact[kind])] -= 1
    for kind in sorted(exact, key=lambda kind: whole[kind] - exact[kind])[: count - sum(whole.values())]:
        whole[kind] += 1
    slots = [((i + 0.5) / n, order, kind) for order, (kind, n) in enumerate(whole.items()) for i in range(n)]
    return [kind for _, _, kind in sorted(slots)]
