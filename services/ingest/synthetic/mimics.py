"""What is not an infarction but fools a detector of one: other rhythms, conduction, size and variants.

Each mimic says how the beat changes (`components`) and what PTB-XL calls it (`SCP`). How the rhythm changes is
`rhythm`'s matter.
"""

from collections.abc import Mapping
from dataclasses import replace

from services.ingest.synthetic import anatomy as body
from services.ingest.synthetic.anatomy import Anatomy
from services.ingest.synthetic.beats import (
    SUPRAVENTRICULAR,
    Component,
    Origin,
    Wave,
    before_onset,
    from_onset,
)
from services.ingest.synthetic.draws import Draws

AFIB, CLBBB, CRBBB, LVH, EARLY_REPOL, STACH, PVC, PACE = (
    "AFIB",
    "CLBBB",
    "CRBBB",
    "LVH",
    "EARLY_REPOL",
    "STACH",
    "PVC",
    "PACE",
)
# PTB-XL has no statement for early repolarisation: it is a normal variant with non-specific ST elevation.
SCP: Mapping[str, Mapping[str, float]] = {
    AFIB: {"AFIB": 0.0},
    CLBBB: {"CLBBB": 100.0, "SR": 0.0},
    CRBBB: {"CRBBB": 100.0, "SR": 0.0},
    LVH: {"LVH": 100.0, "SR": 0.0},
    EARLY_REPOL: {"NORM": 80.0, "STE_": 0.0, "SR": 0.0},
    STACH: {"NORM": 80.0, "STACH": 0.0},
    PVC: {"PVC": 100.0, "SR": 0.0},
    PACE: {"PACE": 0.0},
}
MIMICS: tuple[str, ...] = tuple(SCP)


def components(kind: str, a: Anatomy, draws: Draws, severity: float) -> tuple[Component, ...]:
    """The whole beat of a person with this mimic, before and after its onset."""
    match kind:
        case "CLBBB":
            return body.p_wave(a), *_replaced(a), *_left_bundle(a, draws)
        case "CRBBB":
            return body.p_wave(a), *_replaced(a), *_right_bundle(a, draws, severity)
        case "LVH":
            return body.p_wave(a), *_replaced(a), *_hypertrophy(a, draws, severity)
        case "EARLY_REPOL":
            return *body.healthy(a), *_early_repolarisation(a, draws, severity)
        case "PVC":
            return *body.healthy(a), *ectopic(a, draws)
        case "PACE":
            return *body.healthy(a), *_paced(a, draws)
        case "AFIB":
            # Those who fibrillate are ill, fast and often on digitalis.
            ill = body.nonspecific(a, draws.uniform("af.ill", 0.6, 2.2), from_onset)
            return *body.healthy(a), ill
        case _:
            return body.healthy(a)


def _replaced(a: Anatomy) -> tuple[Component, Component]:
    return body.qrs(a, before_onset), body.t_wave(a, before_onset)


def _left_bundle(a: Anatomy, draws: Draws) -> tuple[Component, ...]:
    """Septum activated from the right: one slow, notched force to the left and back, 125-160 ms; ST-T opposed."""
    w, g = draws.factor("lbbb.width", 0.06), a.qrs_gain * draws.factor("lbbb.gain", 0.15)
    notch = draws.uniform("lbbb.notch", 0.75, 1.0)
    wide = (
        Wave(-0.008 * w, 0.0120 * w, body.turned(a.axis, 0.18, 0.12, -0.20, g)),
        Wave(0.022 * w, 0.0190 * w, body.turned(a.axis, 0.80, 0.40, 0.95, g)),
        Wave(0.065 * w, 0.0170 * w, body.turned(a.axis, 0.80 * notch, -0.14, 1.30 * notch, g)),
    )
    j = 0.106 * w - a.j_s
    against = (
        Wave(j - 0.012, 0.16 * a.qt_scale, body.turned(a.axis, -0.075, -0.02, -0.190, g), "plateau"),
        Wave(j + 0.165 * a.qt_scale, 0.052 * a.qt_scale, body.turned(a.axis, -0.19, -0.02, -0.50, g)),
    )
    return (
        Component("left_bundle_qrs", "depolarisation", wide, from_onset, SUPRAVENTRICULAR),
        Component("left_bundle_t", "repolarisation", against, from_onset, SUPRAVENTRICULAR),
    )


def _right_bundle(a: Anatomy, draws: Draws, severity: float) -> tuple[Component, ...]:
    """A normal start, then a slow force to the right and front (R′ in V1, broad S in I and V6), T away from it."""
    w, g = draws.factor("rbbb.width", 0.08), 1.15 * severity * a.qrs_gain * draws.factor("rbbb.gain", 0.2)
    late = (
        Wave(0.030 * w, 0.0140 * w, body.turned(a.axis, -0.36, -0.08, -0.76, g)),
        Wave(0.070 * w, 0.0140 * w, body.turned(a.axis, -0.46, -0.22, -0.66, g)),
    )
    against = (
        Wave(0.030, 0.15 * a.qt_scale, body.turned(a.axis, 0.05, 0.02, 0.07, g), "plateau"),
        Wave(0.225 * a.qt_scale, 0.045 * a.qt_scale, body.turned(a.axis, 0.12, 0.03, 0.19, g)),
    )
    return (
        replace(body.qrs(a, from_onset, 0.85), name="right_bundle_start"),
        replace(body.t_wave(a, from_onset, 0.9, later_s=0.030), name="right_bundle_own_t"),
        Component("right_bundle_qrs", "depolarisation", late, from_onset, SUPRAVENTRICULAR),
        Component("right_bundle_t", "repolarisation", against, from_onset, SUPRAVENTRICULAR),
    )


def _hypertrophy(a: Anatomy, draws: Draws, severity: float) -> tuple[Component, ...]:
    """More muscle to the left and back; strain (ST down, T turned over on the left) in the severe ones."""
    gain = 1 + 0.55 * severity * draws.factor("lvh.gain", 0.25)
    strain = severity * draws.uniform("lvh.strain", 0.0, 1.0)
    bigger = body.qrs(a, from_onset, gain, back=-0.05 * severity, slower=1.04)
    t = body.t_wave(a, from_onset, max(1.05 - 0.75 * strain, 0.0))
    down = (
        Wave(0.0, 0.15 * a.qt_scale, body.turned(a.axis, -0.10, -0.05, -0.09, strain), "plateau"),
        Wave(0.215 * a.qt_scale, 0.045 * a.qt_scale, body.turned(a.axis, -0.22, -0.08, -0.26, strain)),
    )
    return (
        replace(bigger, name="hypertrophy_qrs"),
        replace(t, name="hypertrophy_t"),
        Component("strain", "repolarisation", down, from_onset, SUPRAVENTRICULAR),
    )


def _early_repolarisation(a: Anatomy, draws: Draws, severity: float) -> tuple[Component, ...]:
    """A notched J point and a concave ST that climbs into a tall T; the same every day."""
    st = severity * 0.115 * draws.factor("early.st", 0.25)
    notch = draws.uniform("early.notch", 0.4, 1.0)
    q = a.qt_scale
    waves = (
        Wave(0.002, 0.0075, body.turned(a.t_axis, 0.75 * notch, 0.5 * notch, -0.15, st)),
        Wave(-0.004, 0.19 * q, body.turned(a.t_axis, 0.62, 0.42, -0.62, 0.85 * st), "plateau"),
        Wave(0.212 * q, 0.040 * q, body.turned(a.t_axis, 0.62, 0.42, -0.62, 2.2 * st)),
    )
    return (Component("early_repolarisation", "repolarisation", waves, from_onset, SUPRAVENTRICULAR),)


def ectopic(a: Anatomy, draws: Draws) -> tuple[Component, ...]:
    """A premature ventricular beat: broad, large, from one focus of this person, with a T against its QRS."""
    from_left = draws.uniform("pvc.focus") < 0.4
    x, z = (-0.75, -0.75) if from_left else (0.55, 0.95)
    y = draws.uniform("pvc.height", -0.9, 0.9)
    g, w = a.qrs_gain * draws.factor("pvc.gain", 0.2), draws.factor("pvc.width", 0.08)
    broad = (
        Wave(-0.018 * w, 0.0200 * w, (0.35 * x * g, 0.4 * y * g, 0.25 * z * g)),
        Wave(0.028 * w, 0.0240 * w, (x * g, y * g, z * g)),
        Wave(0.078 * w, 0.0180 * w, (0.1 * x * g, -0.15 * y * g, 0.35 * z * g)),
    )
    against = (
        Wave(0.055, 0.12, (-0.10 * x * g, -0.10 * y * g, -0.10 * z * g), "plateau"),
        Wave(0.225 * a.qt_scale, 0.062 * a.qt_scale, (-0.38 * x * g, -0.38 * y * g, -0.38 * z * g)),
    )
    own = frozenset({Origin.VENTRICULAR})
    return (
        Component("ectopic_qrs", "depolarisation", broad, origins=own),
        Component("ectopic_t", "repolarisation", against, origins=own),
    )


def _paced(a: Anatomy, draws: Draws) -> tuple[Component, ...]:
    """A pacing spike, then activation from the right ventricle's apex: leftward, upward, broad, T against it."""
    g, w = a.qrs_gain * draws.factor("paced.gain", 0.2), draws.factor("paced.width", 0.06)
    size = draws.uniform("paced.spike", 0.4, 1.4)
    up = draws.uniform("paced.site", -0.3, 1.0)  # apex: upwards; septum: less so
    broad = (
        # A 2 ms stimulus; the device's own filter widens it (`profile`), as it does on paper.
        Wave(-0.060, 0.0015, (2.4 * size, 2.0 * size, -0.5 * size)),
        Wave(-0.010 * w, 0.0200 * w, (0.30 * g, -0.45 * up * g, -0.25 * g)),
        Wave(0.034 * w, 0.0210 * w, (0.55 * g, -0.85 * up * g, 0.75 * g)),
    )
    against = (
        Wave(0.045, 0.14, (-0.03 * g, 0.06 * up * g, -0.06 * g), "plateau"),
        Wave(0.215 * a.qt_scale, 0.058 * a.qt_scale, (-0.13 * g, 0.28 * up * g, -0.26 * g)),
    )
    own = frozenset({Origin.PACEMAKER})
    return (
        Component("paced_qrs", "depolarisation", broad, origins=own),
        Component("paced_t", "repolarisation", against, origins=own),
    )
