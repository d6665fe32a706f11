"""Measures of a 12-lead ECG by simple, fixed rules on its median beat: intervals and the sizes of its waves.

Meant for comparing two sets of recordings with the same ruler, not for reading one recording: real and simulated
recordings pass through the same filters, so what the ruler gets wrong it gets wrong on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, find_peaks, resample_poly, sosfiltfilt

Floats = npt.NDArray[np.float64]

RATE_HZ = 500
_BEFORE, _AFTER = round(0.36 * RATE_HZ), round(0.60 * RATE_HZ)
LEADS: tuple[str, ...] = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")


@dataclass(frozen=True, slots=True)
class Ruler:
    """The dominant beat of a recording and what was measured on it; ``p`` is None where no P wave stands out."""

    beat: Floats  # 12 x samples at RATE_HZ, R at sample _BEFORE, millivolts, PR segment = 0
    rr_s: Floats
    onset: int
    offset: int
    t_end: int
    p: tuple[int, int] | None  # onset and peak

    def values(self) -> dict[str, float]:
        """All measures: seconds for intervals, millivolts for the rest; NaN where there is nothing to measure."""
        nan = float("nan")
        out = {
            "rr_s": float(np.median(self.rr_s)) if self.rr_s.size else nan,
            "pr_s": (self.onset - self.p[0]) / RATE_HZ if self.p else nan,
            "qrs_s": (self.offset - self.onset) / RATE_HZ,
            "qt_s": (self.t_end - self.onset) / RATE_HZ,
        }
        for i, name in enumerate(LEADS):
            out |= {f"{wave}_{name}": value for wave, value in self._waves(i).items()}
        return out

    def _waves(self, lead: int) -> dict[str, float]:
        x = self.beat[lead]
        inside = x[self.onset : self.offset + 1]
        peak = int(np.argmax(inside))
        r = max(float(inside[peak]), 0.0)
        if r < 0.05:  # no R at all: the whole deflection is a QS complex
            q, s = float(inside.min()), 0.0
        else:
            q = min(float(inside[: peak + 1].min()), 0.0)
            s = min(float(inside[peak:].min()), 0.0)
        t = x[self.offset + round(0.08 * RATE_HZ) : self.t_end + 1]
        j60 = min(self.offset + round(0.06 * RATE_HZ), x.size - 1)
        return {
            "p": float(x[self.p[1]]) if self.p else float("nan"),
            "q": q,
            "r": r,
            "s": s,
            "st60": float(x[j60]),
            "t": float(t[np.argmax(np.abs(t))]) if t.size else float("nan"),
        }


def measure(x: Floats, rate_hz: float, names: Sequence[str] = LEADS) -> Ruler | None:
    """Measure a recording (12 × samples in mV, leads ordered as ``names``); None where no beat repeats itself."""
    order = [[n.upper() for n in names].index(lead) for lead in LEADS]
    up = resample_poly(np.asarray(x, np.float64)[order], RATE_HZ, round(rate_hz), axis=1)
    clean = sosfiltfilt(butter(2, (0.4, 40), "bandpass", fs=RATE_HZ, output="sos"), up, axis=1)
    at = _peaks(clean)
    at = at[(at >= _BEFORE + 30) & (at < clean.shape[1] - _AFTER - 30)]  # room to be shifted in
    if at.size < 3:
        return None
    beat = _median_beat(clean, at)
    return _delineate(beat, np.diff(at) / RATE_HZ) if beat is not None else None


def _peaks(x: Floats) -> npt.NDArray[np.int64]:
    fast = sosfiltfilt(butter(2, (6, 28), "bandpass", fs=RATE_HZ, output="sos"), x, axis=1)
    energy = uniform_filter1d((fast**2).sum(axis=0), round(0.09 * RATE_HZ))
    high = np.percentile(energy, 97)
    peaks, _ = find_peaks(energy, height=0.25 * high, distance=round(0.28 * RATE_HZ))
    return np.asarray(peaks, np.int64)


def _median_beat(x: Floats, at: npt.NDArray[np.int64]) -> Floats | None:
    """The median over the beats that look alike, each shifted to match; two rounds."""
    core = slice(_BEFORE - 40, _BEFORE + 40)
    for _ in range(2):
        beats = np.stack([x[:, r - _BEFORE : r + _AFTER] for r in at])
        template = np.median(beats, axis=0)[:, core]
        moved = []
        for r in at:
            near = np.lib.stride_tricks.sliding_window_view(x[:, r - 40 - 12 : r + 40 + 12], 80, axis=1)
            moved.append(r - 12 + int(np.argmin(((near - template[:, None, :]) ** 2).sum(axis=(0, 2)))))
        at = np.array(moved)
    beats = np.stack([x[:, r - _BEFORE : r + _AFTER] for r in at])
    template = np.median(beats, axis=0)
    likeness = [np.corrcoef(b[:, core].ravel(), template[:, core].ravel())[0, 1] for b in beats]
    alike = beats[np.array(likeness) > 0.85]
    return np.median(alike, axis=0) if len(alike) >= 3 else None


def _delineate(beat: Floats, rr_s: Floats) -> Ruler | None:
    speed = uniform_filter1d(np.abs(np.gradient(beat, axis=1)).sum(axis=0), 5)
    centre = _BEFORE - 50 + int(np.argmax(speed[_BEFORE - 50 : _BEFORE + 50]))
    quiet = np.percentile(speed[_BEFORE - 120 : _BEFORE + 200], 15)
    limit = max(0.10 * speed[centre], 2.0 * quiet)
    onset, offset = _leave(speed, centre, -1, limit), _leave(speed, centre, +1, limit)
    if not (20 <= onset < offset <= beat.shape[1] - 60):
        return None
    level = beat[:, onset - 8 : onset - 1].mean(axis=1, keepdims=True)
    beat = beat - level
    size = np.sqrt((uniform_filter1d(beat, 9, axis=1) ** 2).sum(axis=0))
    last = min(beat.shape[1], offset + round(min(0.40, 0.62 * float(np.median(rr_s))) * RATE_HZ))
    t_end = _tangent(size, offset + round(0.09 * RATE_HZ), last)
    return Ruler(beat, rr_s, onset, offset, t_end, _p_wave(beat, onset))


def _leave(speed: Floats, start: int, step: int, limit: float) -> int:
    """Walk outwards until the signal has been slow for 14 ms."""
    calm, i = 0, start
    while 0 < i < speed.size - 1 and calm < 7:
        i += step
        calm = calm + 1 if speed[i] < limit else 0
    return i - step * calm


def _tangent(size: Floats, first: int, last: int) -> int:
    """Where the steepest fall after the T peak reaches the lowest level that follows."""
    if last - first < 20:
        return last - 1
    peak = first + int(np.argmax(size[first : last - 10]))
    slope = np.gradient(size)
    steep = peak + int(np.argmin(slope[peak:last]))
    if slope[steep] >= 0:
        return last - 1
    floor = float(size[steep:last].min())
    return int(min(steep + (size[steep] - floor) / -slope[steep], last - 1))


def _p_wave(beat: Floats, onset: int) -> tuple[int, int] | None:
    first = max(onset - round(0.26 * RATE_HZ), 0)
    near = uniform_filter1d(beat[[0, 1, 2, 5]], 9, axis=1)[:, first : onset - 10]
    if near.shape[1] < 30:
        return None
    # The line through both ends is what the wave stands on.
    line = np.linspace(0, 1, near.shape[1]) * (near[:, -1:] - near[:, :1]) + near[:, :1]
    size = np.sqrt(((near - line) ** 2).sum(axis=0))
    peak = int(np.argmax(size))
    if size[peak] < 0.03 or not 8 <= peak < size.size - 3:
        return None
    slope = np.gradient(size)
    steep = int(np.argmax(slope[:peak]))
    begin = steep - (size[steep] - size[:peak].min()) / max(float(slope[steep]), 1e-6)
    return first + max(int(begin), 0), first + peak
