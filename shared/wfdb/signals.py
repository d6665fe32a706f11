"""One signal of a WFDB record in counts, with what a count is worth and how fast they come."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.frames import MAX_RATE_MHZ, MIN_RATE_MHZ
from shared.wfdb.dat import read_signal
from shared.wfdb.errors import RecordingError
from shared.wfdb.header import Header

Integers = npt.NDArray[np.int64]

_UNITS = {"V": 1e6, "MV": 1e3, "UV": 1.0, "NV": 1e-3, "MILLIVOLT": 1e3, "MICROVOLT": 1.0, "VOLT": 1e6}


@dataclass(frozen=True, eq=False)
class Stretch:
    """Some consecutive samples of one signal: counts less the baseline, which are missing, and their gain."""

    values: Integers
    missing: npt.NDArray[np.bool_]
    uv_per_lsb: float
    rate_mhz: int


def read_stretch(path: Path, header: Header, k: int, *, calibrated: bool = True) -> Stretch:
    """Signal ``k`` of a record with one segment.

    A signal without a gain is refused, or, where ``calibrated`` is False because only its
    shape matters, taken to have the format's 200 counts a millivolt.
    """
    signal = header.signals[k]
    if header.rate is None:
        raise RecordingError("its header gives no sampling rate")
    rate = millihertz(header.rate)
    if signal.per_frame > 1:
        rate = millihertz(f"{rate * signal.per_frame}/1000")
    if signal.gain is None and calibrated:
        raise RecordingError(f"gain of {signal.name or 'its signal'} is 0 or absent: it is not calibrated")
    gain = 200.0 if signal.gain is None else signal.gain
    if gain < 0:
        raise RecordingError(f"gain of {signal.name or 'its signal'} is {gain:g}, below 0")
    uv_per_lsb = microvolts_per(signal.units) / gain
    values, missing = read_signal(path, header, k)
    return Stretch(values - signal.baseline, missing, uv_per_lsb, rate)


def microvolts_per(unit: str) -> float:
    """How many microvolts one of ``unit`` is (V, mV, µV, nV in any case); refuses what is no voltage."""
    plain = unit.strip().upper().replace("µ", "U").replace("Μ", "U").removesuffix("S")
    # "µ".upper() is the Greek capital mu, which looks like M and must not become millivolts.
    try:
        return _UNITS[plain]
    except KeyError:
        raise RecordingError(f"unit {unit!r} is no voltage: V, mV, uV or nV are read") from None


_FAR = Fraction(10**300)  # what a float still shows


def millihertz(hertz: str | float | Fraction) -> int:
    """A sampling rate as frame headers carry it, to the nearest millihertz; refuses what they cannot carry."""
    try:
        exact = Fraction(hertz) * 1000
    except (ValueError, OverflowError, ZeroDivisionError):
        raise RecordingError(f"{hertz!r} is no sampling rate in Hz") from None
    rate = round(exact)
    if not MIN_RATE_MHZ <= rate <= MAX_RATE_MHZ:
        shown = float(max(-_FAR, min(exact, _FAR))) / 1000
        raise RecordingError(f"sampling rate {shown:g} Hz is outside 50 to 1000 Hz")
    return rate
