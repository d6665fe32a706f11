"""From any device rate (50–1000 Hz) to 100 Hz: a windowed-sinc interpolator as a fixed banded operator.

Time. A window's clock starts at its first sample. It holds the device samples i with 0 ≤ i / rate < 10 s
(`device_samples` of them) and becomes the 1,000 instants 0, 10 ms … 9.99 s. A stream's window k starts at
device sample floor(k · stride · rate), so where stride · rate is not whole its true start lies less than one
device sample before k · stride; nothing is shifted to make up for it. Hence a window is a function of its own
samples alone, whichever stream or file they were cut from.

Filter. Each output is a Kaiser-windowed sinc around its instant: flat to 40 Hz and 60 dB down from 55 Hz, so
that what could fold back into 0–45 Hz is gone; below 100 Hz the corner moves down with the device's own
Nyquist rate. The weights of an output sum to one, so a constant stays the same constant. Beyond the ends
the signal is continued by odd reflection (2·end − mirror), which keeps value and slope.
"""

import functools

import numpy as np
import numpy.typing as npt

from shared.signal.operator import Operator
from shared.signal.window import RATE_HZ, WINDOW_SAMPLES, WINDOW_SECONDS, SignalError, Windows, as_windows

MIN_RATE_MHZ = 50_000
MAX_RATE_MHZ = 1_000_000

_RATE_MHZ = RATE_HZ * 1000
_CORNER_HZ = 47.5
_TRANSITION_HZ = 15.0
_STOPBAND_DB = 60.0
_TILE = 32  # outputs per tile; wider tiles multiply more zeros, narrower ones waste the GEMM kernel
_CACHED_RATES = 64  # about 1 MB each


def device_samples(rate_mhz: int) -> int:
    """How many samples a ten-second window holds at ``rate_mhz`` (millihertz); refuses rates out of range."""
    if not MIN_RATE_MHZ <= rate_mhz <= MAX_RATE_MHZ:
        raise SignalError(
            f"sampling rate {rate_mhz / 1000:g} Hz is outside {MIN_RATE_MHZ // 1000}–{MAX_RATE_MHZ // 1000} Hz"
        )
    return -(-rate_mhz * WINDOW_SECONDS // 1000)


def resample(windows: npt.ArrayLike, rate_mhz: int) -> Windows:
    """Windows (n × `device_samples`) at ``rate_mhz`` millihertz as windows (n × 1000) at 100 Hz.

    Deterministic, and bit-equal whatever the batch. At 100 Hz the array comes back untouched. The first call
    at a rate designs its operator (tens of ms), later ones cost 2–15 µs a window in full chunks.
    """
    rows = as_windows(windows, device_samples(rate_mhz))
    if rate_mhz == _RATE_MHZ:
        return rows
    return resampler(rate_mhz).apply(rows)


@functools.lru_cache(maxsize=_CACHED_RATES)
def resampler(rate_mhz: int) -> Operator:
    """The operator that `resample` applies at a rate."""
    inputs = device_samples(rate_mhz)
    scale = min(1.0, rate_mhz / _RATE_MHZ)
    # Kaiser's formulae: length and shape for the wanted attenuation and transition.
    half_s = (_STOPBAND_DB - 7.95) / (2.285 * 2 * np.pi * _TRANSITION_HZ * scale) / 2
    beta = 0.1102 * (_STOPBAND_DB - 8.7)
    rate = rate_mhz / 1000
    reach = int(np.ceil(half_s * rate)) + 1
    # Exact integers: output j sits at device position j · rate / 100.
    nearest = np.arange(WINDOW_SAMPLES, dtype=np.int64) * rate_mhz // _RATE_MHZ
    taps = nearest[:, None] + np.arange(-reach, reach + 1)
    distance_s = (taps * _RATE_MHZ - np.arange(WINDOW_SAMPLES)[:, None] * rate_mhz) / (_RATE_MHZ * rate)
    inside = np.clip(1 - (distance_s / half_s) ** 2, 0, None)
    weights = np.sinc(2 * _CORNER_HZ * scale * distance_s) * np.i0(beta * np.sqrt(inside)) * (inside > 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return Operator.from_dense(_folded(weights, taps, inputs), _TILE)


def _folded(weights: npt.NDArray[np.float64], taps: npt.NDArray[np.int64], inputs: int) -> npt.NDArray[np.float64]:
    """The (inputs × outputs) matrix of ``weights`` at ``taps``, taps beyond the ends reflected oddly."""
    matrix = np.zeros((inputs, len(taps)))
    last = inputs - 1
    output = np.broadcast_to(np.arange(len(taps))[:, None], taps.shape)
    before, after = taps < 0, taps > last
    mirrored = np.where(before, -taps, np.where(after, 2 * last - taps, taps))
    np.add.at(matrix, (mirrored, output), np.where(before | after, -weights, weights))
    matrix[0] += 2 * (weights * before).sum(axis=1)
    matrix[last] += 2 * (weights * after).sum(axis=1)
    return matrix
