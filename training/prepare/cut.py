"""From a recording of any rate and length to segments: ten seconds at 100 Hz, int16.

- Rate: `shared.signal.resample`, the operator that serving uses.
- Longer than 10 s: up to ``limit`` segments, spread evenly over the recording and never overlapping; one
  segment is its middle.
- Shorter: what serving forgives is forgiven here. Up to the same share of missing samples (at the end, or
  inside a lead) is filled as `shared.signal.interpolate_missing` fills it; a lead that lacks more is absent.
- Counts: 1 µV, unless that would not fit; then each lead's median goes, and only if that is not enough the
  counts become coarser.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.frames import LEADS
from shared.sections import WindowSettings
from shared.signal import (
    WINDOW_SAMPLES,
    WINDOW_SECONDS,
    device_samples,
    interpolate_missing,
    missing_share,
    resample,
)
from shared.wfdb import RecordingError, Stretch
from training.store import bits_of

MAX_MISSING = WindowSettings().max_missing
MV_PER_COUNT = 0.001
# What an electrode may add is ±300 mV; more than a volt is a wrong gain or unit.
GREATEST_MV = 1000.0
_LARGEST = np.iinfo(np.int16).max

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cut:
    """One segment's samples: ``counts`` (12 × 1000) times ``scale`` are millivolts."""

    counts: npt.NDArray[np.int16]
    leads: int
    scale: float
    start_s: float

    def as_fields(self) -> dict[str, Any]:
        """Its fields by name, as `training.store.Segment` takes them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def starts(seconds: float, limit: int) -> tuple[float, ...]:
    """Where the segments of a recording begin, in seconds; none if it is too short."""
    whole = int((seconds + 1e-9) // WINDOW_SECONDS)
    if whole == 0:
        return (0.0,) if seconds >= (1 - MAX_MISSING) * WINDOW_SECONDS - 1e-9 else ()
    count = min(whole, limit)
    return tuple(max(0.0, (k + 0.5) * seconds / count - WINDOW_SECONDS / 2) for k in range(count))


def cut(stretches: Mapping[str, Stretch], limit: int) -> list[Cut]:
    """The segments of a recording, given each of its leads.

    Refuses (`RecordingError`) a recording that is too short, or of which no lead can be used.
    """
    seconds = max(len(s.values) * 1000 / s.rate_mhz for s in stretches.values())
    begins = starts(seconds, limit)
    if not begins:
        least = (1 - MAX_MISSING) * WINDOW_SECONDS
        raise RecordingError(f"it is {seconds:.2f} s long, at least {least:g} s are needed")
    found = [segment for begin in begins if (segment := _segment(stretches, begin)) is not None]
    if not found:
        raise RecordingError(f"every lead is flat or lacks more than {MAX_MISSING:.0%} of its samples")
    return found


def _segment(stretches: Mapping[str, Stretch], start_s: float) -> Cut | None:
    """Ten seconds from ``start_s``; None if no lead of it can be used."""
    mv = np.zeros((len(LEADS), WINDOW_SAMPLES), np.float32)
    present = []
    for lead, stretch in stretches.items():
        signal = _lead(stretch, start_s)
        if signal is not None:
            mv[LEADS.index(lead)] = signal
            present.append(lead)
    # A single flat lead is a fact about its electrode; a recording of nothing but flat leads is none.
    if not present or not np.ptp(mv, axis=1).any():
        return None
    counts, scale = quantised(mv)
    return Cut(counts, bits_of(present), scale, start_s)


def _lead(stretch: Stretch, start_s: float) -> Floats | None:
    samples = device_samples(stretch.rate_mhz)
    first = int(start_s * stretch.rate_mhz / 1000 + 1e-6)
    values = np.zeros((1, samples), np.float32)
    present = np.zeros((1, samples), np.bool_)
    piece = slice(first, first + samples)
    length = len(stretch.values[piece])
    values[0, :length] = stretch.values[piece] * (stretch.uv_per_lsb / 1000)
    present[0, :length] = ~stretch.missing[piece]
    if missing_share(present)[0] > MAX_MISSING + 1e-6:
        return None
    window: Floats = resample(interpolate_missing(values, present), stretch.rate_mhz)[0]
    return window


def quantised(mv: Floats) -> tuple[npt.NDArray[np.int16], float]:
    """Counts of millivolts (12 × 1000) and what one is worth. Refuses what cannot be an ECG."""
    if float(np.ptp(mv, axis=1).max()) > GREATEST_MV:
        raise RecordingError(
            f"{np.ptp(mv, axis=1).max() / 1000:.3g} V from peak to peak: its gain or unit is wrong"
        )
    scale = MV_PER_COUNT
    if np.abs(mv).max() > _LARGEST * scale:
        mv = mv - np.median(mv, axis=1, keepdims=True)
        scale = max(scale, float(np.abs(mv).max()) / _LARGEST)
    return np.rint(mv / np.float32(scale)).astype(np.int16), scale
