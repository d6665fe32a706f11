"""One person's heart and chest: size, position, conduction times and reserve of rate, drawn from a population.

The centres and spreads were set by comparing medians and quartiles with normal recordings
(`selfmis bench realism`), not by any model's opinion.
"""

import math
from dataclasses import dataclass

import numpy as np

from services.ingest.synthetic.beats import SUPRAVENTRICULAR, Component, Course, Origin, Wave, always
from services.ingest.synthetic.draws import Draws, Floats
from services.ingest.synthetic.leads import rotation, torso

FEMALE, MALE = 1, 0  # PTB-XL's coding of sex


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What stays with a person from one recording to the next; times in seconds, voltages in millivolts."""

    age: float
    sex: int
    heart_rate: float
    pr_s: float
    qrs_scale: float
    qt_scale: float
    sdnn_s: float
    lf_share: float
    breaths_per_min: float
    breath_depth: float
    axis: Floats
    t_axis: Floats
    p_gain: float
    qrs_gain: float
    t_gain: float
    septal_gain: float
    basal_gain: float
    leads: Floats

    @property
    def j_s(self) -> float:
        """The J point after the R peak."""
        return 0.041 * self.qrs_scale


def draw_anatomy(draws: Draws, *, age: float | None = None, sex: int | None = None) -> Anatomy:
    """A person; age (years) and sex are drawn too unless given."""
    if age is None:
        age = min(max(draws.normal("age", 60, 16), 18), 95)
    if sex is None:
        sex = FEMALE if draws.uniform("sex") < 0.5 else MALE
    older = (age - 55) / 20
    woman = float(sex == FEMALE)
    frontal = math.radians(draws.normal("axis.frontal", -4 - 9 * older, 21))
    horizontal = math.radians(draws.normal("axis.horizontal", 4 + 3 * older, 13))
    axis = rotation(frontal, horizontal)
    # Repolarisation follows the heart's position only in part.
    t_axis = rotation(
        0.45 * frontal + math.radians(draws.normal("t_axis.frontal", 0, 9)),
        0.45 * horizontal + math.radians(draws.normal("t_axis.horizontal", 4 * older + 8 * woman, 14)),
    )
    return Anatomy(
        age=age,
        sex=sex,
        heart_rate=draws.normal("heart_rate", 66 + 2 * woman, 10.5),
        pr_s=min(max(draws.normal("pr", 0.170 + 0.007 * older, 0.021), 0.11), 0.22),
        qrs_scale=draws.factor("qrs.scale", 0.085) * (1.03 - 0.05 * woman),
        qt_scale=draws.factor("qt.scale", 0.04) * (0.99 + 0.02 * woman + 0.01 * older),
        sdnn_s=0.030 * draws.factor("sdnn", 0.5) * math.exp(-0.25 * older),
        lf_share=draws.uniform("lf_share", 0.3, 0.75),
        breaths_per_min=draws.normal("breaths", 15, 2.4),
        breath_depth=draws.factor("breath.depth", 0.4),
        axis=axis,
        t_axis=t_axis,
        p_gain=draws.factor("p.gain", 0.24),
        qrs_gain=draws.factor("qrs.gain", 0.24) * (1.04 - 0.08 * woman),
        t_gain=draws.factor("t.gain", 0.34) * (1.12 - 0.22 * woman) * math.exp(-0.10 * older),
        septal_gain=draws.factor("septal.gain", 0.45),
        basal_gain=draws.factor("basal.gain", 0.45),
        leads=torso(draws),
    )


def turned(matrix: Floats, x: float, y: float, z: float, gain: float = 1.0) -> tuple[float, float, float]:
    """A direction of the textbook heart in this person's chest."""
    v = gain * (matrix @ np.array([x, y, z]))
    return float(v[0]), float(v[1]), float(v[2])


def p_wave(a: Anatomy, course: Course = always) -> Component:
    """Right then left atrium. A DDD pacemaker's beats have it too."""
    centre = -(a.pr_s - 0.020 * a.qrs_scale)
    half = Wave(centre - 0.014, 0.0165, turned(a.t_axis, 0.051, 0.080, -0.022, a.p_gain))
    other = Wave(centre + 0.018, 0.0165, turned(a.t_axis, 0.070, 0.061, 0.036, a.p_gain))
    return Component("p", "depolarisation", (half, other), course, frozenset({Origin.SINUS, Origin.PACEMAKER}))


def qrs(
    a: Anatomy, course: Course = always, gain: float = 1.0, back: float = 0.0, slower: float = 1.0
) -> Component:
    """The QRS loop: septum to the right and front, apex to the left and down, free wall and base to the back.

    ``gain``, ``back`` (extra posterior and leftward force) and ``slower`` describe hypertrophy.
    """
    w, g = a.qrs_scale * slower, a.qrs_gain * gain
    waves = (
        Wave(-0.0190 * w, 0.0068 * w, turned(a.axis, -0.06, -0.03, -0.25, g * a.septal_gain)),
        Wave(0.0, 0.0086 * w, turned(a.axis, 0.95, 0.52, -0.22, g)),
        Wave(0.0115 * w, 0.0086 * w, turned(a.axis, 0.26 + 0.5 * back, 0.26, 0.86 + back, g)),
        Wave(0.0270 * w, 0.0074 * w, turned(a.axis, -0.13, -0.04, 0.28, g * a.basal_gain)),
    )
    return Component("qrs", "depolarisation", waves, course, SUPRAVENTRICULAR)


def t_wave(a: Anatomy, course: Course = always, gain: float = 1.0, later_s: float = 0.0) -> Component:
    """An asymmetric T: a slow rise and a steeper fall, with a trace of ST slope before it;
    ``later_s``: delayed by slow conduction."""
    g, q = a.t_gain * gain, a.qt_scale
    waves = (
        Wave(0.170 * q + later_s, 0.058 * q, turned(a.t_axis, 0.120, 0.070, -0.105, g)),
        Wave(0.222 * q + later_s, 0.033 * q, turned(a.t_axis, 0.215, 0.122, -0.185, g)),
        Wave(0.060 * q, 0.045 * q, turned(a.t_axis, 0.000, -0.003, -0.040, g)),
    )
    return Component("t", "repolarisation", waves, course, SUPRAVENTRICULAR)


def nonspecific(a: Anatomy, amount: float, course: Course) -> Component:
    """What strained or ill left ventricles have in common: lateral T waves flattened, ST a little low."""
    q = a.qt_scale
    waves = (
        Wave(0.218 * q, 0.046 * q, turned(a.t_axis, -0.170, -0.065, 0.000, amount)),
        Wave(-0.004, 0.15 * q, turned(a.t_axis, -0.032, -0.014, 0.000, amount), "plateau"),
    )
    return Component("nonspecific", "repolarisation", waves, course, SUPRAVENTRICULAR)


def healthy(a: Anatomy) -> tuple[Component, ...]:
    """P, QRS and T of a normal beat."""
    return p_wave(a), qrs(a), t_wave(a)
