"""Myocardial infarction as vectors: an injury current, hyper-acute T, Q waves, lost R force, an inverted T.

Each of the nine types has one direction, towards the injured wall. The injury current (ST shift) and the
hyper-acute T point along it; the Q waves, the lost R and the late T inversion point away from it, so reciprocal
changes in the opposite leads follow from geometry alone. What happens when is a set of curves over the hours
since onset (Thygesen 2018, fourth universal definition; Zimetbaum 2003 for the stages).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from services.ingest.synthetic import anatomy as body
from services.ingest.synthetic.anatomy import Anatomy
from services.ingest.synthetic.beats import SUPRAVENTRICULAR, Component, Wave
from services.ingest.synthetic.draws import Draws, Floats
from shared.labels import MI_CODES


@dataclass(frozen=True, slots=True)
class Territory:
    """An infarct at severity 1: where the injury current points (x left, y feet, z back) and its size; where force
    is lost, how much (mV), and when the dead muscle would have been activated (seconds after R: septum and front
    early, back late); how deep the T turns over (mV)."""

    injured: tuple[float, float, float]
    st_mv: float
    dead: tuple[float, float, float]
    q_mv: float
    activated_s: float
    t_mv: float


TERRITORIES: Mapping[str, Territory] = {
    "IMI": Territory((-0.20, 0.96, 0.06), 0.24, (-0.70, 0.71, 0.08), 0.34, -0.017, 0.06),
    "ASMI": Territory((-0.14, 0.05, -0.99), 0.24, (0.14, 0.02, -0.98), 0.44, -0.010, 0.08),
    "ILMI": Territory((0.50, 0.84, 0.14), 0.26, (0.22, 0.95, 0.20), 0.26, -0.014, 0.08),
    "AMI": Territory((0.22, 0.00, -0.97), 0.26, (0.02, -0.02, -0.99), 0.24, -0.012, 0.08),
    "ALMI": Territory((0.74, -0.22, -0.63), 0.26, (0.66, -0.18, -0.73), 0.26, -0.010, 0.10),
    "LMI": Territory((0.93, -0.36, 0.10), 0.24, (0.92, -0.38, 0.10), 0.20, -0.012, 0.10),
    "IPLMI": Territory((0.44, 0.66, 0.61), 0.27, (0.20, 0.75, 0.63), 0.40, -0.006, 0.08),
    "IPMI": Territory((-0.10, 0.74, 0.67), 0.27, (-0.25, 0.72, 0.65), 0.40, -0.006, 0.08),
    "PMI": Territory((0.12, 0.10, 0.99), 0.22, (0.10, 0.08, 0.99), 0.60, -0.005, 0.10),
}
assert set(TERRITORIES) == set(MI_CODES)  # noqa: S101 - two lists of the same nine types must not drift apart


def _logistic(hours: Floats, middle: float, steepness: float) -> Floats:
    ratio = np.maximum(hours, 1e-9) / middle
    return np.where(hours > 0, 1 / (1 + ratio**-steepness), 0.0)


def hyperacute_course(hours: Floats) -> Floats:
    """Tall T within minutes, gone after some hours."""
    h = np.maximum(hours, 0)
    return np.asarray((1 - np.exp(-h / 0.08)) * np.exp(-h / 2.0), np.float64)


def st_course(hours: Floats) -> Floats:
    """Injury current: up within half an hour, held for hours, gone within days but for a trace."""
    h = np.maximum(hours, 0)
    return np.asarray((1 - np.exp(-h / 0.25)) * (0.05 + 0.95 / (1 + (h / 30) ** 2)), np.float64)


def q_course(hours: Floats) -> Floats:
    """Necrosis: Q waves and loss of R, half way after six hours, for good."""
    return _logistic(hours, 6.0, 2.5)


def inversion_course(hours: Floats) -> Floats:
    """T inversion: half way after a day, deepest on the third, much less after weeks, fading over months."""
    h = np.maximum(hours, 0)
    depth = 0.45 + 0.55 / (1 + h / 2500) + 1.4 / (1 + (h / 120) ** 2)
    return np.asarray(_logistic(hours, 20.0, 3.0) * depth, np.float64)


def infarction(code: str, a: Anatomy, draws: Draws, severity: float) -> tuple[Component, ...]:
    """The components that this infarct adds to a normal beat; ``severity`` 1 is a typical transmural infarct."""
    territory = TERRITORIES[code]
    # No two infarcts are the same: a person's own deviation of about 12 degrees.
    own = draws.vector("injury.direction", 0.12)
    injured, dead = _unit(territory.injured, own), _unit(territory.dead, own)
    st = severity * territory.st_mv * draws.factor("injury.st", 0.25)
    necrosis = severity * draws.factor("injury.necrosis", 0.3)
    w, q = a.qrs_scale, a.qt_scale
    share_lost = min(0.4 * necrosis, 0.9)
    forces = body.qrs(a).waves
    shrunk = tuple(
        replace(wave, vector=_along(dead, -share_lost * max(float(np.asarray(wave.vector) @ dead), 0.0)))
        for wave in forces[1:3]
    )
    weaker = tuple(
        replace(wave, vector=_along(np.asarray(wave.vector), -0.12 * min(necrosis, 2))) for wave in forces
    )
    t_now = a.t_axis @ np.array([0.27, 0.15, -0.23]) * a.t_gain
    inverted = min(necrosis, 1.3) * (
        0.5 * max(float(t_now @ injured), 0.0) + territory.t_mv * draws.factor("injury.inversion", 0.4)
    )
    scar = Wave(territory.activated_s * w, 0.0115 * w, _along(dead, -territory.q_mv * necrosis))
    current = (
        Wave(-0.006, 0.21 * q, _along(injured, st), "plateau"),
        Wave(0.12 * q, 0.05 * q, _along(injured, 0.25 * st)),
    )
    own_beats = SUPRAVENTRICULAR
    return (
        Component(
            "hyperacute_t",
            "repolarisation",
            (Wave(0.195 * q, 0.050 * q, _along(injured, 1.3 * st)),),
            hyperacute_course,
            own_beats,
        ),
        Component("injury_current", "repolarisation", current, st_course, own_beats),
        Component("necrosis", "depolarisation", (scar, *shrunk, *weaker), q_course, own_beats),
        Component(
            "inverted_t",
            "repolarisation",
            (Wave(0.222 * q, 0.042 * q, _along(injured, -inverted)),),
            inversion_course,
            own_beats,
        ),
        body.nonspecific(a, min(necrosis, 1.5) * draws.uniform("injury.remodelled", 0.3, 1.6), q_course),
    )


def _unit(direction: tuple[float, float, float], deviation: Floats) -> Floats:
    v = np.asarray(direction) + deviation
    return np.asarray(v / np.linalg.norm(v), np.float64)


def _along(direction: Floats, amount: float) -> tuple[float, float, float]:
    v = amount * direction
    return float(v[0]), float(v[1]), float(v[2])
