"""What needs no beats: does the signal move, rest on a rail, drift or hiss?"""

import numpy as np
import numpy.typing as npt

from shared.signal.window import RATE_HZ, WINDOW_SAMPLES, Windows

Vector = npt.NDArray[np.float32]

_HALF_SECOND = RATE_HZ // 2
_STILL_MV = 2e-3
_HISS_BLOCK = 10  # 100 ms
_HISS_RANK = 0.6  # QRS complexes fill up to 40 % of the blocks at 200 beats a minute
_CACHED_SAMPLES = 1 << 18  # looked at together, so that a second look finds them in the cache
_TYPICAL = 5  # the typical second is the sixth of ten, sorted


def stuck_share(windows: Windows) -> Vector:
    """Share of half-seconds in which a window does not move by 2 µV."""
    still = _ranges(windows, _HALF_SECOND) < np.float32(_STILL_MV)
    share: Vector = still.mean(axis=1, dtype=np.float32)
    return share


def clipped_share(windows: npt.NDArray[np.float32]) -> Vector:
    """Share of samples that rest exactly on the window's own highest or lowest value, as both neighbours do.

    Meant for samples as the device made them, at its own rate (n × any), since resampling rounds a plateau's
    corners. Every third sample is looked at: no plateau of three escapes. A window that never moves is not
    clipped but stuck: 0.
    """
    share = np.empty(len(windows), np.float32)
    at_once = max(1, _CACHED_SAMPLES // windows.shape[1])
    for first in range(0, len(windows), at_once):
        rows = windows[first : first + at_once]
        share[first : first + at_once] = _resting(rows)
    return share


def _resting(windows: npt.NDArray[np.float32]) -> Vector:
    high, low = windows.max(axis=1, keepdims=True), windows.min(axis=1, keepdims=True)
    third = windows[:, 1:-1:3]
    touching = third == high
    touching |= third == low
    touching &= high != low
    row, place = np.divmod(np.flatnonzero(touching), third.shape[1])
    place = 3 * place + 1
    value = windows[row, place]
    inside = (windows[row, place - 1] == value) & (windows[row, place + 1] == value)
    count = np.bincount(row[inside], minlength=len(windows))
    share: Vector = (count / third.shape[1]).astype(np.float32)
    return share


def typical_height(bandpassed: Windows) -> Vector:
    """Peak-to-peak (mV) of a typical second."""
    return np.sort(_ranges(bandpassed, RATE_HZ), axis=1)[:, _TYPICAL]


def _ranges(windows: Windows, block: int) -> Windows:
    """Highest minus lowest of each run of ``block`` samples; `reduceat` is twice as fast as a 3-d maximum."""
    flat = windows.reshape(-1)
    starts = np.arange(0, len(flat), block)
    spans = np.maximum.reduceat(flat, starts) - np.minimum.reduceat(flat, starts)
    return spans.reshape(len(windows), -1)


def drift(windows: Windows) -> Vector:
    """Standard deviation (mV) of the one-second means."""
    level = windows.reshape(len(windows), -1, RATE_HZ).mean(axis=2)
    level -= level[:, :1]
    spread: Vector = level.std(axis=1)
    return spread


def hiss(bandpassed: Windows) -> Vector:
    """R.m.s. (mV) above about 20 Hz in a 100 ms block between the beats."""
    # On the flat array, which is three times as fast; the two samples that see the next window are cleared.
    flat = bandpassed.reshape(-1)
    fast = np.empty_like(bandpassed)
    inner = fast.reshape(-1)[1:-1]
    np.add(flat[2:], flat[:-2], out=inner)
    inner *= np.float32(-0.5)
    inner += flat[1:-1]
    fast[:, 0] = fast[:, -1] = 0
    blocks = fast.reshape(len(fast), -1, _HISS_BLOCK)
    power = np.einsum("ijk,ijk->ij", blocks, blocks)
    rank = int(_HISS_RANK * (WINDOW_SAMPLES // _HISS_BLOCK))
    return np.sqrt(np.partition(power, rank, axis=1)[:, rank] / np.float32(_HISS_BLOCK))
