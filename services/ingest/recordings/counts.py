"""From what a file holds to int16 counts: cut, check, and scale without clipping.

A file's own counts are kept, less its baseline, wherever they fit. Where they do not
(24-bit converters, electrode offsets, data in volts), first the constant offset goes,
which no ECG amplifier passes either, and only then is the resolution made coarser.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from services.ingest.recordings.recording import Recording
from shared.wfdb import RecordingError

SHORTEST_S = 2.0
# An ECG amplifier takes electrode offsets of ±300 mV (IEC 60601-2-25); more than a volt is a wrong gain or unit.
GREATEST_UV = 1e6
# A lead that never moves by more than this in its whole length shows no heart, or its gain is wrong.
LEAST_UV = 20.0
_INT16 = np.iinfo(np.int16)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def from_counts(
    name: str, lead: str, rate_mhz: int, values: Integers, *, missing: npt.NDArray[np.bool_], uv_per_lsb: float
) -> Recording:
    """A recording from integers in units of ``uv_per_lsb`` (baseline already subtracted)."""
    first, end = _without_ends(missing, rate_mhz)
    values = values[first:end]
    _refuse_implausible(float(np.ptp(values)) * uv_per_lsb)
    if not _fits(values):
        centred = values - int(np.median(values))
        if not _fits(centred):
            return _fitted(name, lead, rate_mhz, values * np.float64(uv_per_lsb))
        values = centred
    return Recording(name, lead, rate_mhz, _as_header(uv_per_lsb), values.astype(np.int16))


def from_voltages(
    name: str, lead: str, rate_mhz: int, values: npt.NDArray[Any], uv_per_unit: float = 1.0
) -> Recording:
    """A recording from voltages in any unit, NaN where there is none: 1 µV per count unless that would clip."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows becomes infinite and is refused below
        uv = values.astype(np.float64) * uv_per_unit
        peak_to_peak = float(np.nanmax(uv) - np.nanmin(uv)) if np.isfinite(uv).any() else 0.0
    if np.isinf(uv).any():
        raise RecordingError(f"infinite value at sample {int(np.argmax(np.isinf(uv)))}")
    first, end = _without_ends(np.isnan(uv), rate_mhz)
    uv = uv[first:end]
    _refuse_implausible(peak_to_peak)
    return _fitted(name, lead, rate_mhz, uv)


def _fitted(name: str, lead: str, rate_mhz: int, uv: Floats) -> Recording:
    lsb = 1.0
    if not _fits(uv):
        uv = uv - float(np.median(uv))
        # The 0.5 keeps what rounds up from leaving the range.
        lsb = max(1.0, float(np.abs(uv).max()) / (_INT16.max - 0.5))
    lsb = _as_header(lsb)
    return Recording(name, lead, rate_mhz, lsb, np.rint(uv / lsb).astype(np.int16))


def _fits(values: Integers | Floats) -> bool:
    return bool(values.min() >= _INT16.min and values.max() <= _INT16.max)


def _as_header(uv_per_lsb: float) -> float:
    """The gain as a frame header will hold it."""
    return float(np.float32(uv_per_lsb))


def _without_ends(missing: npt.NDArray[np.bool_], rate_mhz: int) -> tuple[int, int]:
    """First and end of what is recorded, missing samples at the very ends cut; refuses a gap inside.

    A source gives every sample of a frame, so a gap could only be filled by invention.
    """
    present = np.flatnonzero(~missing)
    if not len(missing):
        raise RecordingError("it holds no sample")
    if not len(present):
        raise RecordingError("every sample is missing")
    first, end = int(present[0]), int(present[-1]) + 1
    gaps = end - first - len(present)
    if gaps:
        at = first + int(np.argmax(missing[first:end]))
        samples = "1 sample is" if gaps == 1 else f"{gaps} samples are"
        raise RecordingError(
            f"{samples} missing (NaN) inside, the first at sample {at} "
            f"({at * 1000 / rate_mhz:.2f} s): cut it there"
        )
    seconds = (end - first) * 1000 / rate_mhz
    if seconds < SHORTEST_S:
        raise RecordingError(f"it is {seconds:.2f} s long, at least {SHORTEST_S:g} s are needed")
    return first, end


def _refuse_implausible(peak_to_peak_uv: float) -> None:
    if peak_to_peak_uv > GREATEST_UV:
        raise RecordingError(
            f"{peak_to_peak_uv / 1e6:.3g} V from peak to peak is no ECG: its gain or unit is wrong"
        )
    if peak_to_peak_uv < LEAST_UV:
        raise RecordingError(
            f"{peak_to_peak_uv:.3g} µV from peak to peak is no ECG: it is flat, or its gain is wrong"
        )
