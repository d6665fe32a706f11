"""The shapes of one heartbeat as a vectorcardiogram: waves, the components they form, and tables of them.

A component is a sum of waves that live and die together (the P wave, the injury current, an ectopic QRS …). Each
wave is a bell or a plateau in time, times a fixed direction in space, as in McSharry 2003 and Sameni 2007. A beat
is a weighted sum of components; the weights may differ from beat to beat, which is how a disease evolves.

Depolarisation (P, QRS, spikes) keeps its own time, measured from the R peak; repolarisation (ST, T) stretches
with the cycle length and is measured from the J point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np

from services.ingest.synthetic.draws import Floats

Part = Literal["depolarisation", "repolarisation"]
Shape = Literal["bell", "plateau"]
Course = Callable[[Floats], Floats]


class Origin(IntEnum):
    """Where a beat begins; components say which origins they belong to."""

    SINUS = 0
    ATRIAL_FIBRILLATION = 1
    VENTRICULAR = 2
    PACEMAKER = 3


SUPRAVENTRICULAR = frozenset({Origin.SINUS, Origin.ATRIAL_FIBRILLATION})


def always(hours: Floats) -> Floats:
    """A component that is there before and after onset."""
    return np.ones_like(hours)


def before_onset(hours: Floats) -> Floats:
    """A component that the condition replaces."""
    return (hours < 0).astype(np.float64)


def from_onset(hours: Floats) -> Floats:
    """A component that the condition brings, at once."""
    return (hours >= 0).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Wave:
    """A bell centred ``at_s`` with standard deviation ``width_s``, or a plateau from ``at_s`` for ``width_s``."""

    at_s: float
    width_s: float
    vector: tuple[float, float, float]
    shape: Shape = "bell"


@dataclass(frozen=True, slots=True)
class Component:
    """Waves with one weight; ``course`` maps hours since onset to that weight, ``origins`` says in which beats."""

    name: str
    part: Part
    waves: tuple[Wave, ...]
    course: Course = always
    origins: frozenset[Origin] = frozenset(Origin)


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular time axis for tables."""

    first_s: float
    last_s: float
    rate_hz: float

    @property
    def times(self) -> Floats:
        """The instants of the grid, one beyond ``last_s`` included so that linear interpolation may look right."""
        return self.first_s + np.arange(round((self.last_s - self.first_s) * self.rate_hz) + 2) / self.rate_hz


# Room for a PR interval of 280 ms before R and half of a 200 ms ectopic QRS after it.
DEPOLARISATION = Grid(-0.34, 0.24, 1000.0)
REPOLARISATION = Grid(-0.05, 0.62, 500.0)

_EDGE_ON_S, _EDGE_OFF_S = 0.005, 0.028


def profile(wave: Wave, t: Floats, blur_s: float) -> Floats:
    """The wave's time course, seen through a device whose low-pass filter is a bell of ``blur_s``."""
    if wave.shape == "bell":
        width = np.hypot(wave.width_s, blur_s)
        return np.asarray(wave.width_s / width * np.exp(-0.5 * ((t - wave.at_s) / width) ** 2), np.float64)
    rise = 0.5 * (1 + np.tanh((t - wave.at_s) / np.hypot(_EDGE_ON_S, blur_s)))
    fall = 0.5 * (1 - np.tanh((t - wave.at_s - wave.width_s) / _EDGE_OFF_S))
    return np.asarray(rise * fall, np.float64)


def table(components: tuple[Component, ...], grid: Grid, blur_s: float) -> Floats:
    """The components on the grid: (component, axis x/y/z, time), zero at both ends: no beat begins with a step."""
    t = grid.times
    out = np.zeros((len(components), 3, t.size))
    for i, component in enumerate(components):
        for wave in component.waves:
            out[i] += np.asarray(wave.vector)[:, None] * profile(wave, t, blur_s)
    ramp = np.clip((grid.last_s - t) / 0.02, 0, 1) * np.clip((t - grid.first_s) / 0.02, 0, 1)
    return np.asarray(out * ramp, np.float64)
