"""What needs no beats: does the signal move, rest on a rail, drift or hiss?"""

import numpy as np
import numpy.typing as npt

from shared.signal.window import RATE_HZ, WINDOW_SAMPLES, Windows

Vector = npt.NDArray[np.float32]

_HALF_SECOND = RATE_HZ // 2
_STILL_MV = 2e-3
_HISS_BLOCK = 10  # 100 ms
_HISS_RANK = 0.6  # QRS complexes fill up to 40 % of the blocks at 200 beats a minute
_TYPICAL = 5  # the typical second is the sixth of ten, sorted


def stuck_share(windows: Windows) -> Vector:
    """Share of half-seconds in which a window does not move by 2 µV."""
    still = _ranges(windows, _HALF_SECOND) < np.float32(_STILL_MV)
    share: Vector = still.mean(axis=1, dtype=np.float32)
    return share


def clipped_share(windows: npt.NDArray[np.float32]) -> Vector:
    """Share of samples that rest exactly on the window's own highest or lowest value, as both neighbours do.

    Meant for samples as the device made them, at its own rate (n × any), since resampling rounds a plateau's
    corners. A window that never moves is not clipped but stuck: 0.
    """
    high, low = windows.max(axis=1, keepdims=True), windows.min(axis=1, keepdims=True)
    resting = np.zeros(len(windows), np.float32)
    for edge in (high, low):
        at = windows == edge
        # Few windows touch an extreme more than twice; only those are worth the run test.
        busy = np.flatnonzero(np.count_nonzero(at, axis=1) > 2)
        hit = at[busy]
        inside = hit[:, 1:-1] & hit[:, :-2] & hit[:, 2:]
        resting[busy] += np.count_nonzero(inside, axis=1).astype(np.float32) / np.float32(windows.shape[1])
    resting[(high == low)[:, 0]] = 0
    return resting


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
