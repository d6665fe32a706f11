"""Tens of thousands of patients at once, from beats simulated beforehand: for load, not for one patient's sake.

A bank holds *strips*: half a minute of whole beats of one simulated person each, closed into a ring in the quiet
between T and P, at a fixed fine rate. A patient is a strip read at its own speed (heart rate), phase and gain,
plus a ring of noise read at another pace, so no two patients are alike and none soon repeats itself. A frame
costs a few whole-array integer operations per sample; integer arithmetic on the sample index makes any chunking
equal.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from services.ingest.synthetic.cohort import ARCHIVE, allocate, case
from services.ingest.synthetic.draws import Floats, key, normals, uniforms
from services.ingest.synthetic.leads import lead_name
from services.ingest.synthetic.noise import Motion, Muscle, Wander
from services.ingest.synthetic.patient import Patient
from services.ingest.synthetic.spec import (
    KINDS,
    MAX_RATE_MHZ,
    MIN_RATE_MHZ,
    Episode,
    PatientSpec,
    SimulationError,
)
from shared.labels import MI_CODES, NORMAL

Frames = npt.NDArray[np.int16]
Words = npt.NDArray[np.uint32]

STRIP_RATE_HZ = 512
_STRIP_BITS = 14  # 16384 samples: 32 s at speed 1
_STRIP = 1 << _STRIP_BITS
_STRIP_S = _STRIP / STRIP_RATE_HZ
# Strips and noise are stored in steps of 2 µV. With these limits, the largest gains (1.35 and 2.7) and 1 µV per
# LSB no sum leaves int16, so nothing needs clipping. Gains are fixed-point with 12 bits.
_STORED_UV = 2.0
_STRIP_LIMIT, _NOISE_LIMIT = 7500, 2000
_GAIN_BITS = 12
_NOISE_RINGS = 16
# Rows worked on at a time: the temporaries of a stripe stay in the processor's cache.
_STRIPE = 512
# Hours after onset at which the picture of an infarct changes, and when the last stage ends.
_STAGES_H = (0.0, 0.15, 0.6, 3.0, 10.0, 36.0, 200.0)
_NEVER_S = 1e9


@dataclass(frozen=True, slots=True)
class BankSpec:
    """A crowd: ``patients`` people at one device rate, in the proportions of ``mix`` (see `cohort.ARCHIVE`).

    ``strips`` simulated people stand behind them. Of ``onsets`` (patient number → (MI type, second of onset)) each
    is healthy until then; ``speed`` hastens the evolution of those infarcts, which moves in six steps. Each costs
    some 50 µs more per frame, so let them be few.
    """

    patients: int
    rate_mhz: int = 100_000
    lead: str = "I"
    seed: int = 0
    uv_per_lsb: float = 4.0
    mix: Mapping[str, float] = field(default_factory=lambda: dict(ARCHIVE))
    strips: int = 192
    onsets: Mapping[int, tuple[str, float]] = field(default_factory=dict)
    speed: float = 60.0

    def __post_init__(self) -> None:
        if self.patients < 1:
            raise SimulationError(f"a bank of {self.patients} patients: at least one is needed")
        if not MIN_RATE_MHZ <= self.rate_mhz <= MAX_RATE_MHZ:
            raise SimulationError(f"device rate {self.rate_mhz / 1000:g} Hz is outside 50 to 1000 Hz")
        if lead_name(self.lead) is None:
            raise SimulationError(f"lead {self.lead!r} is unknown")
        if not 1 <= self.uv_per_lsb <= 100:
            raise SimulationError(f"{self.uv_per_lsb:g} µV per LSB is outside 1 to 100")
        if unknown := sorted(set(self.mix) - set(KINDS)):
            raise SimulationError(f"patient kind {unknown[0]!r} is unknown; use one of {', '.join(KINDS)}")
        if not any(share > 0 for share in self.mix.values()):
            raise SimulationError("the mix of a bank has no kind with a share above 0")
        if self.strips < 1:
            raise SimulationError("a bank needs at least one strip")
        for patient, (kind, onset_s) in self.onsets.items():
            if not 0 <= patient < self.patients:
                raise SimulationError(f"onset for patient {patient}, but there are {self.patients}")
            if kind not in MI_CODES or not 0 <= onset_s < math.inf:
                raise SimulationError(f"onset {kind!r} at {onset_s:g} s: give an MI type and a time from 0 on")


class Bank:
    """See `BankSpec`. Building takes about 3 ms per strip; it holds 32 kB per strip and 40 bytes per patient."""

    def __init__(self, spec: BankSpec) -> None:
        self.spec = spec
        rate_hz = spec.rate_mhz / 1000
        kinds = allocate(spec.mix, spec.strips)
        strips = [_strip(_strip_case(spec, kind, i), spec.rate_mhz) for i, kind in enumerate(kinds)]
        people = allocate(spec.mix, spec.patients)
        by_kind: dict[str, list[int]] = {}
        for i, kind in enumerate(kinds):
            by_kind.setdefault(kind, []).append(i)
        every = np.arange(spec.patients, dtype=np.int64)
        choice = uniforms(key(spec.seed, "bank", "strip"), every)
        # With few strips a kind may have none; the most frequent kind then stands in, and `kinds` says so.
        common = max(by_kind, key=lambda kind: len(by_kind[kind]))
        self.kinds: tuple[str, ...] = tuple(kind if kind in by_kind else common for kind in people)
        strip = np.array(
            [by_kind[kind][int(u * len(by_kind[kind]))] for kind, u in zip(self.kinds, choice, strict=True)],
            np.uint32,
        )
        self._stages = _evolutions(spec, strips)
        self._beats = np.concatenate(strips)
        self._noise = np.concatenate([_noise_ring(spec.seed, i, spec.lead) for i in range(_NOISE_RINGS)])
        u = {
            name: uniforms(key(spec.seed, "bank", name), every)
            for name in ("phase", "noise", "noise_phase", "pace")
        }
        z = {name: normals(key(spec.seed, "bank", name), every) for name in ("speed", "gain", "noise_gain")}
        per_sample = 2.0**32 / (_STRIP_S * rate_hz)
        speed = np.clip(1 + 0.07 * z["speed"], 0.82, 1.18)
        self._base = strip << np.uint32(_STRIP_BITS)
        self._step = np.rint(per_sample * speed).astype(np.uint32)
        self._phase = (u["phase"] * 2.0**32).astype(np.uint32)
        unit = _STORED_UV / spec.uv_per_lsb * (1 << _GAIN_BITS)
        self._gain = np.rint(unit * np.exp(0.12 * np.clip(z["gain"], -2.5, 2.5))).astype(np.int32)
        self._noise_base = (u["noise"] * _NOISE_RINGS).astype(np.uint32) << np.uint32(_STRIP_BITS)
        self._noise_step = np.rint(per_sample * (0.83 + 0.3 * u["pace"])).astype(np.uint32)
        self._noise_phase = (u["noise_phase"] * 2.0**32).astype(np.uint32)
        self._noise_gain = np.rint(unit * np.exp(0.45 * np.clip(z["noise_gain"], -2.2, 2.2))).astype(np.int32)

    def frames(self, first_sample: int, count: int, rows: slice = slice(None)) -> Frames:
        """Samples ``first_sample …`` of the patients in ``rows``: (patients × count), in steps of ``uv_per_lsb``.

        A pure function of the index: any chunking in time or over patients gives the same values. Costs about
        0.6 µs per frame of 100 samples when asked for many patients at once.
        """
        if first_sample < 0 or count < 0:
            raise SimulationError(f"samples {first_sample} + {count} do not exist: a recording starts at sample 0")
        chosen = range(*rows.indices(self.spec.patients))
        if chosen.step != 1:
            raise SimulationError("rows must be consecutive patients")
        out = np.empty((len(chosen), count), np.int16)
        k = _words(first_sample, first_sample + count)
        for low in range(0, len(chosen), _STRIPE):
            part = slice(chosen.start + low, min(chosen.start + low + _STRIPE, chosen.stop))
            self._write(out[low : low + _STRIPE], k, part)
        for patient in self._stages:
            if patient in chosen:
                self._write_onset(out[patient - chosen.start], first_sample, patient)
        return out

    def truth(self, patient: int) -> list[Episode]:
        """Who has what from when."""
        if patient not in self.spec.onsets:
            return [Episode(self.kinds[patient], 0.0, math.inf)]
        kind, onset_s = self.spec.onsets[patient]
        before = [Episode(NORMAL, 0.0, onset_s)] if onset_s > 0 else []
        return [*before, Episode(kind, onset_s, math.inf)]

    def _write(self, out: Frames, k: Words, part: slice) -> None:
        column = (part, None)
        x = self._read(self._beats, k, self._step[column], self._phase[column], self._base[column])
        x *= self._gain[column]
        noise = self._read(
            self._noise, k, self._noise_step[column], self._noise_phase[column], self._noise_base[column]
        )
        noise *= self._noise_gain[column]
        x += noise
        x >>= _GAIN_BITS
        np.copyto(out, x, casting="unsafe")

    @staticmethod
    def _read(
        rings: npt.NDArray[np.int16], k: Words, step: Words, phase: Words, base: Words
    ) -> npt.NDArray[np.int32]:
        # The phase wraps at 2**32, which is once around the ring.
        place = step * k
        place += phase
        place >>= np.uint32(32 - _STRIP_BITS)
        place += base
        return rings.take(place, mode="clip").astype(np.int32)

    def _write_onset(self, out: Frames, first: int, patient: int) -> None:
        """Replace one patient's samples by those of the strip of each stage, from the stage's first sample on."""
        stages = self._stages[patient]
        own = self._base[patient]
        for number, (start, strip) in enumerate(stages):
            stop = stages[number + 1][0] if number + 1 < len(stages) else first + out.size
            low, high = max(start, first), min(stop, first + out.size)
            if low < high:
                self._base[patient] = strip << _STRIP_BITS
                self._write(out[None, low - first : high - first], _words(low, high), slice(patient, patient + 1))
        self._base[patient] = own


def _words(first: int, stop: int) -> Words:
    return (np.arange(first, stop) & 0xFFFFFFFF).astype(np.uint32)


def _evolutions(spec: BankSpec, strips: list[Frames]) -> dict[int, list[tuple[int, int]]]:
    """Append the strips of the patients with an onset; per patient each stage's (first sample, strip)."""
    found = {}
    for patient, (kind, onset_s) in sorted(spec.onsets.items()):
        drawn = _strip_case(spec, kind, spec.strips + patient)
        person = replace(drawn, severity=max(drawn.severity, 0.8))
        stages = [(0, len(strips))]
        strips.append(_strip(replace(person, onset_s=_NEVER_S), spec.rate_mhz))
        for begin, end in pairwise(_STAGES_H):
            start = math.ceil((onset_s + begin * 3600 / spec.speed) * spec.rate_mhz / 1000)
            stages.append((start, len(strips)))
            # The state in the middle of the stage, standing still (a strip is shorter than any change).
            middle_s = 3600 * math.sqrt(max(begin, 0.03) * end)
            strips.append(_strip(replace(person, onset_s=-middle_s), spec.rate_mhz))
        found[patient] = stages
    return found


def _strip_case(spec: BankSpec, kind: str, patient: int) -> PatientSpec:
    drawn = case(kind, spec.seed, patient, rate_mhz=STRIP_RATE_HZ * 1000, lead=spec.lead)
    return replace(drawn, noise=0.0)


def _strip(spec: PatientSpec, device_rate_mhz: int) -> Frames:
    """A ring of whole beats: from the quiet before one P wave to that before a later one, made to fit."""
    patient = Patient(spec)
    x = patient.samples(0, _STRIP + 4 * STRIP_RATE_HZ)
    beats = np.rint(patient.beat_times(0, x.size) * STRIP_RATE_HZ).astype(np.int64)
    # The calmest point between 0.36 and 0.24 s before R: after the T wave, before the P wave.
    quiet = [r - 184 + int(np.argmin(np.abs(x[r - 184 : r - 123]))) for r in beats.tolist() if r >= 184]
    begin = quiet[0]
    end = min(quiet[1:], key=lambda q: abs(q - begin - _STRIP))
    ring = np.interp(np.arange(_STRIP) * ((end - begin) / _STRIP) + begin, np.arange(x.size), x)
    # What little step is left at the seam is spread over the whole ring.
    ring -= np.linspace(0, 1, _STRIP) * (x[end] - x[begin])
    blur = 0.33 * STRIP_RATE_HZ / (device_rate_mhz / 1000)
    if blur > 0.5:  # a slow device's anti-aliasing filter, as in `Heart`
        ring = gaussian_filter1d(ring, blur, mode="wrap")
    return _stored(ring, _STRIP_LIMIT)


def _noise_ring(seed: int, number: int, lead: str) -> Frames:
    """Noise as at rest, closed to a ring by fading its end into what came before its start."""
    stream = key(seed, "bank", "ring", number, lead)
    effects = (Wander(0.045), Muscle(0.009), Motion(0.012))
    fade = 2 * STRIP_RATE_HZ
    first = 1 << 20
    x = sum(
        (e.signal(stream, first - fade, _STRIP + fade, STRIP_RATE_HZ) for e in effects), np.zeros(_STRIP + fade)
    )
    ring = x[fade:].copy()
    share = np.arange(fade) / fade
    ring[-fade:] = ring[-fade:] * np.sqrt(1 - share) + x[:fade] * np.sqrt(share)
    return _stored(ring, _NOISE_LIMIT)


def _stored(millivolts: Floats, limit: int) -> Frames:
    steps = np.clip(np.rint(millivolts * (1000 / _STORED_UV)), -limit, limit)
    return np.asarray(steps, np.int16)
