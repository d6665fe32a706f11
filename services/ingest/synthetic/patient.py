"""Samples of a simulated patient, from the specification and the range of samples alone.

Signals are computed in blocks whose boundaries depend on the specification and not on who asks, so the same
samples come out however they are asked for, and a restarted source goes on where it stopped.
"""

import math
from abc import ABC, abstractmethod

import numpy as np

from services.ingest.synthetic import mimics
from services.ingest.synthetic.draws import Floats, key
from services.ingest.synthetic.heart import Electrode, Heart
from services.ingest.synthetic.leads import CHANNELS, DERIVATION, LEADS
from services.ingest.synthetic.noise import Distorting, Signal, Span, distorted
from services.ingest.synthetic.rhythm import Beats
from services.ingest.synthetic.spec import PatientSpec, SimulationError


def simulate(spec: PatientSpec, first_sample: int, count: int) -> Signal:
    """Samples ``first_sample …`` of the patient's lead in millivolts. To stream, build a `Patient` once."""
    return Patient(spec).samples(first_sample, count)


def simulate_12(spec: PatientSpec, first_sample: int, count: int) -> Signal:
    """All twelve leads (12 × count, in `LEADS` order) in millivolts; row ``spec.lead`` equals `simulate`."""
    return TwelveLeads(spec).samples(first_sample, count)


class _Blocks(ABC):
    """Blocks of a signal with the last one kept: the boundaries are the specification's, not the caller's."""

    def __init__(self, spec: PatientSpec) -> None:
        self.spec = spec
        self._heart = Heart(spec)
        # About half a minute: long enough to spread NumPy's cost per call, short enough to stay in the cache.
        self.size = 1 << math.ceil(math.log2(24 * spec.rate_mhz / 1000))
        # Patients change blocks at different moments, so that a ward of them never stalls all at once.
        self.offset = key(spec.seed, spec.patient, "block") % self.size
        self._kept: tuple[int, Signal] | None = None

    def samples(self, first_sample: int, count: int) -> Signal:
        """See `simulate`; the last axis is time."""
        if first_sample < 0 or count < 0:
            raise SimulationError(f"samples {first_sample} + {count} do not exist: a recording starts at sample 0")
        low, high = first_sample + self.offset, first_sample + self.offset + count
        parts = []
        for number in range(low // self.size, max(-(-high // self.size), low // self.size + 1)):
            block = self._block(number)
            start = number * self.size
            parts.append(block[..., max(low - start, 0) : max(min(high - start, self.size), 0)])
        return np.concatenate(parts, axis=-1)

    def _block(self, number: int) -> Signal:
        if self._kept is None or self._kept[0] != number:
            self._kept = number, self._compute(number * self.size - self.offset)
        return self._kept[1]

    def beat_times(self, first_sample: int, count: int) -> Floats:
        """When the R peaks (or their ectopic equals) among these samples are, in seconds of the device's clock."""
        heart = self._heart
        rate = heart.true_rate_hz
        return heart.rhythm.beats(first_sample / rate, (first_sample + count) / rate).at_s * (rate / heart.rate_hz)

    @abstractmethod
    def _compute(self, first: int) -> Signal:
        """One whole block from its first sample's index, which may lie before the recording."""


def _compose(heart: Heart, electrode: Electrode, beats: Beats, first: int, size: int) -> Signal:
    out = np.zeros(size, np.float32)
    electrode.heartbeat(out, first, beats)
    if heart.spec.kind == mimics.AFIB:
        t = np.arange(first, first + size) / heart.true_rate_hz
        out += electrode.flutter(t, heart.today.key("f_wave"), first).astype(np.float32)
    if heart.spec.noise or heart.spec.effects:
        out += electrode.background(first, size).astype(np.float32)
    return out


def _beats(heart: Heart, first: int, size: int) -> Beats:
    # A beat reaches from 0.4 s before its R peak to 0.9 s after it.
    return heart.rhythm.beats(first / heart.true_rate_hz - 1.0, (first + size) / heart.true_rate_hz + 0.45)


class Patient(_Blocks):
    """One lead of one patient. Streaming costs about 20 µs per second of signal at 250 Hz."""

    def __init__(self, spec: PatientSpec) -> None:
        super().__init__(spec)
        self._row = LEADS.index(spec.lead.upper())
        self._electrode = Electrode(self._heart, DERIVATION[self._row])

    def _compute(self, first: int) -> Signal:
        beats = _beats(self._heart, first, self.size)
        x = _compose(self._heart, self._electrode, beats, first, self.size)
        return distorted(x, _faults(self.spec), Span(first, self.size, self._heart.rate_hz))


class TwelveLeads(_Blocks):
    """All twelve leads of one patient; the four derived ones are exact sums of I and II."""

    def __init__(self, spec: PatientSpec) -> None:
        super().__init__(spec)
        self._electrodes = [Electrode(self._heart, row) for row in np.eye(len(CHANNELS))]

    def _compute(self, first: int) -> Signal:
        beats = _beats(self._heart, first, self.size)
        measured = np.stack([_compose(self._heart, e, beats, first, self.size) for e in self._electrodes])
        x = (DERIVATION @ measured).astype(np.float32)
        span = Span(first, self.size, self._heart.rate_hz)
        return np.stack([distorted(row, _faults(self.spec), span) for row in x])


def _faults(spec: PatientSpec) -> tuple[Distorting, ...]:
    return tuple(e for e in spec.effects if isinstance(e, Distorting))
