"""Missing samples: how many, and straight lines in their place."""

import numpy as np
import numpy.typing as npt

from shared.signal.window import SignalError, Windows, as_windows


def missing_share(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The share of each row's samples that are absent."""
    share: npt.NDArray[np.float32] = 1 - present.mean(axis=1, dtype=np.float32)
    return share


def interpolate_missing(windows: npt.ArrayLike, present: npt.NDArray[np.bool_]) -> Windows:
    """Windows (n × any length) with absent samples on the line between their neighbours.

    Before the first and after the last present sample the nearest one is held; a row without any becomes zeros.
    What stands at an absent place is never read (it may be NaN), present samples are untouched, the input is
    not changed. Whether a window with that many gaps is still worth scoring is the caller's decision.
    """
    samples = np.shape(windows)[-1] if np.ndim(windows) == 2 else 0
    rows = as_windows(windows, samples)
    if present.shape != rows.shape or present.dtype != np.bool_:
        raise SignalError(f"present must be booleans of shape {rows.shape}, not {present.dtype} {present.shape}")
    holed = np.flatnonzero(~present.all(axis=1))
    if not len(holed):
        return rows
    out = rows.copy()
    out[holed] = _filled(rows[holed], present[holed])
    return out


def _filled(rows: Windows, present: npt.NDArray[np.bool_]) -> Windows:
    samples = rows.shape[1]
    sample = np.arange(samples)
    before = np.maximum.accumulate(np.where(present, sample, -1), axis=1)
    after = np.minimum.accumulate(np.where(present, sample, samples)[:, ::-1], axis=1)[:, ::-1]
    left = np.where(before < 0, np.minimum(after, samples - 1), before)
    right = np.where(after == samples, np.maximum(before, 0), after)
    known = np.where(present, rows, np.float32(0))
    low, high = np.take_along_axis(known, left, axis=1), np.take_along_axis(known, right, axis=1)
    share = ((sample - left) / np.maximum(right - left, 1)).astype(np.float32)
    return np.where(present, rows, low + (high - low) * share)
