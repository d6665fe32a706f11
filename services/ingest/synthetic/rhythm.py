"""When the heart beats: every beat's time in closed form, so that any stretch of a long recording costs the same.

Sinus rhythm is a regular clock whose ticks are displaced by a sum of slow oscillations (very low, low and
respiratory frequency), after the pulse-position view of heart-rate variability. Fibrillation draws its intervals
independently in groups of 64 that keep the mean. Nothing is accumulated from the start.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.ingest.synthetic.anatomy import Anatomy
from services.ingest.synthetic.beats import Origin
from services.ingest.synthetic.draws import Draws, Floats, normals, uniforms
from services.ingest.synthetic.mimics import AFIB, PACE, PVC, STACH

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Beats:
    """Some consecutive beats: R-peak times, the cycle length repolarisation has adapted to, the origin."""

    at_s: Floats
    cycle_s: Floats
    origin: npt.NDArray[np.int8]
    jitter: Floats

    def __len__(self) -> int:
        return self.at_s.size


class Clock(Protocol):
    """A numbered sequence of beats."""

    @property
    def mean_s(self) -> float:
        """The mean interval."""
        ...

    @property
    def slack_s(self) -> float:
        """The farthest a beat may stray from its place."""
        ...

    def times(self, k: Indices) -> Floats:
        """When beat ``k`` falls; never decreasing in ``k``, within ``slack_s`` of ``k · mean_s``."""
        ...


@dataclass(frozen=True, slots=True)
class SinusClock:
    """A regular clock displaced by sinusoids; ``swing`` is each one's amplitude in the R-R interval (seconds)."""

    mean_s: float
    frequency_hz: Floats
    swing_s: Floats
    phase: Floats

    @property
    def _displacement(self) -> Floats:
        # The interval swings by 2 sin(π f RR) times what the position swings.
        return np.asarray(self.swing_s / (2 * np.sin(np.pi * self.frequency_hz * self.mean_s)), np.float64)

    @property
    def slack_s(self) -> float:
        """The farthest a beat strays from its place."""
        return float(np.abs(self._displacement).sum())

    def times(self, k: Indices) -> Floats:
        """See `Clock`."""
        due = k * self.mean_s
        angle = 2 * np.pi * due[:, None] * self.frequency_hz + self.phase
        return np.asarray(due + np.sin(angle) @ self._displacement, np.float64)


@dataclass(frozen=True, slots=True)
class FibrillatingClock:
    """Independent intervals with the given coefficient of variation, exact on average over each group."""

    mean_s: float
    variation: float
    stream: int

    GROUP = 64

    @property
    def slack_s(self) -> float:
        """The farthest a beat strays from its place, generously."""
        return 6 * self.variation * math.sqrt(self.GROUP) * self.mean_s

    def times(self, k: Indices) -> Floats:
        """See `Clock`."""
        groups = np.arange(k[0] // self.GROUP, k[-1] // self.GROUP + 1)
        members = groups[:, None] * self.GROUP + np.arange(self.GROUP)
        # The node between lets nothing through faster than its refractory period.
        intervals = np.exp(self.variation * normals(self.stream, members))
        intervals = np.maximum(intervals, 0.36 / self.mean_s)
        inside = np.cumsum(intervals, axis=1)
        inside *= self.GROUP / inside[:, -1:]
        starts = np.concatenate([np.zeros((groups.size, 1)), inside[:, :-1]], axis=1)
        place = (groups[:, None] * self.GROUP + starts).ravel()
        return np.asarray(place[k - groups[0] * self.GROUP] * self.mean_s, np.float64)


def sinus_clock(a: Anatomy, draws: Draws, heart_rate: float, *, variability: float = 1.0) -> SinusClock:
    """The person's own sinus rhythm: 3 very-low, 4 low and 3 respiratory oscillations that sum to their SDNN."""
    mean = 60 / heart_rate
    breath = a.breaths_per_min / 60
    bands = (
        ("vlf", np.array([0.011, 0.021, 0.034]), 0.35),
        ("lf", np.array([0.062, 0.085, 0.101, 0.128]), 0.65 * a.lf_share),
        ("hf", breath + np.array([0.0, -0.012, 0.014]), 0.65 * (1 - a.lf_share)),
    )
    frequency, swing = [], []
    for name, centre, share in bands:
        weight = np.array([draws.factor(f"{name}.{i}", 0.3) for i in range(centre.size)])
        if name == "hf":
            weight *= [3.0, 1.0, 1.0]  # most breaths have the same length
        moved = centre + np.array(
            [draws.normal(f"{name}.f{i}", 0, 0.003) * (name != "hf") for i in range(centre.size)]
        )
        frequency.append(np.maximum(moved, 0.006))
        power = weight**2 / (weight**2).sum() * share
        swing.append(np.sqrt(2 * power))
    # A fast heart varies little: what varies scales with the cycle's square.
    sdnn = variability * a.sdnn_s * mean**2
    phase = np.array([draws.uniform(f"phase.{i}", 0, 2 * np.pi) for i in range(10)])
    return SinusClock(mean, np.concatenate(frequency), sdnn * np.concatenate(swing), phase)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A person's sequence of beats; ``after`` takes over from the last beat before ``onset_s``, if given."""

    before: Clock
    after: Clock | None
    origin_after: Origin
    onset_s: float
    ectopic_share: float
    stream: int

    def beats(self, from_s: float, to_s: float) -> Beats:
        """All beats with R in [from_s, to_s), in order."""
        # Two beats earlier are needed for the cycle length.
        early = from_s - 4.5
        if self.after is None:
            at, number = _within(self.before, 0.0, early, to_s)
            origin = np.full(at.size, Origin.SINUS, np.int8)
            at, origin = self._with_ectopics(at, number, origin)
        else:
            at, number = _within(self.before, 0.0, early, min(to_s, self.onset_s))
            origin = np.full(at.size, Origin.SINUS, np.int8)
            if to_s > self.onset_s:
                base = self._handover()
                later, number_later = _within(self.after, base, max(early, base + 1e-6), to_s)
                at = np.concatenate([at, later])
                number = np.concatenate([number, number_later + (1 << 40)])
                origin = np.concatenate([origin, np.full(later.size, self.origin_after, np.int8)])
        interval = np.diff(at, prepend=at[:1] - self.before.mean_s)
        cycle = np.clip(0.6 * interval + 0.4 * np.concatenate([interval[:1], interval[:-1]]), 0.34, 1.7)
        kept = at >= from_s
        jitter = normals(self.stream ^ 0xA5A5, number[kept])
        return Beats(at[kept], cycle[kept], origin[kept], jitter)

    def _handover(self) -> float:
        assert self.after is not None  # noqa: S101 - asked only where there is one
        at, _ = _within(self.before, 0.0, self.onset_s - 3 * self.before.mean_s - 1, self.onset_s)
        return float(at[-1] - self.after.times(np.array([0]))[0])

    def _with_ectopics(
        self, at: Floats, number: Indices, origin: npt.NDArray[np.int8]
    ) -> tuple[Floats, npt.NDArray[np.int8]]:
        if not self.ectopic_share:
            return at, origin
        chosen = uniforms(self.stream, number) < self.ectopic_share
        chosen &= uniforms(self.stream, number - 1) >= self.ectopic_share  # never two in a row
        chosen &= at >= self.onset_s
        # Early by a third of a cycle; the next sinus beat comes where it was due: a full compensatory pause.
        early = (0.30 + 0.08 * uniforms(self.stream ^ 0x5A5A, number)) * self.before.mean_s
        return np.where(chosen, at - early, at), np.where(chosen, np.int8(Origin.VENTRICULAR), origin)


def _within(clock: Clock, base_s: float, from_s: float, to_s: float) -> tuple[Floats, Indices]:
    first = math.floor((from_s - base_s - clock.slack_s) / clock.mean_s) - 1
    last = math.ceil((to_s - base_s + clock.slack_s) / clock.mean_s) + 1
    number = np.arange(first, max(last, first) + 1, dtype=np.int64)
    at = base_s + clock.times(number)
    kept = (at >= from_s) & (at < to_s)
    return at[kept], number[kept]


def draw_rhythm(
    kind: str, a: Anatomy, draws: Draws, *, onset_s: float, severity: float, heart_rate: float
) -> Rhythm:
    """The rhythm of a person of this kind; ``heart_rate`` is the one before onset."""
    before = sinus_clock(a, draws, heart_rate)
    after: Clock | None = None
    origin = Origin.SINUS
    ectopics = 0.0
    if kind == AFIB:
        rate = draws.normal("af.rate", 86, 17)
        after = FibrillatingClock(60 / rate, draws.uniform("af.variation", 0.17, 0.26), draws.key("af"))
        origin = Origin.ATRIAL_FIBRILLATION
    elif kind == STACH:
        rate = max(heart_rate, 102) + draws.uniform("stach.rate", 0, 32) * severity
        after = sinus_clock(a, draws, rate, variability=0.7)
    elif kind == PACE:
        after = sinus_clock(a, draws, draws.uniform("pace.rate", 60, 82), variability=0.05)
        origin = Origin.PACEMAKER
    elif kind == PVC:
        ectopics = min(draws.uniform("pvc.share", 0.10, 0.30) * severity, 0.5)
    return Rhythm(before, after, origin, onset_s, ectopics, draws.key("beats"))
