"""Is the lead upside down? A device with its electrodes swapped, or worn the wrong way round, turns the ECG over.

The quality gate cannot see that: a window turned over is as good a signal as it was. What gives it away is the
shape of the mean beat: P, R and T of leads I and II point upwards in nearly everybody. So each sample of the mean
beat has a weight, and their sum is the log odds that the window is upside down. The weights of a lead were fitted
to recordings and their negatives (`selfmis bench polarity`, which prints them and says how well they do); there is
no constant term, so minus a window has minus its log odds.

An opinion and no refusal: an old infarct, a bundle branch block or a heart turned to the right may look like it.
"""

import functools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from shared.quality.beats import BEAT, mean_beats
from shared.signal.bandpass import bandpassed_down
from shared.signal.operator import chunks
from shared.signal.window import SignalError, as_windows

Vector = npt.NDArray[np.float32]

# In hundredths, a weight a sample from 250 ms before the sharpest point of the beat to 390 ms after.
WEIGHTS: Mapping[str, tuple[int, ...]] = MappingProxyType({
    "I": (
        11, 7, 5, 5, 7, 13, 20, 28, 34, 35, 35, 32, 26, 17, 9, 2,
        -5, -5, -9, -12, 4, 34, 58, 34, 20, 56, 26, -29, -12, 2, 0, 5,
        -1, -4, -6, -7, -4, -6, -6, -5, -3, 1, 8, 15, 20, 23, 26, 27,
        24, 19, 14, 11, 11, 8, 3, 3, 2, 2, 3, 0, 0, 3, 5, 13,
    ),
    "II": (
        15, 16, 12, 17, 30, 36, 34, 33, 35, 37, 35, 25, 24, 20, 0, -12,
        -17, -13, -19, -19, 20, 39, 30, 9, 8, 40, 0, -45, -12, 1, -10, -18,
        -32, -32, -32, -34, -30, -23, -15, -14, -9, 4, 9, 14, 25, 30, 30, 31,
        33, 34, 27, 24, 24, 18, 15, 12, 9, 10, 11, 13, 12, 7, 10, 9,
    ),
})  # fmt: skip
UPRIGHT, INVERTED = "upright", "inverted"
LIMITS: Mapping[str, float] = MappingProxyType({"I": 0.0, "II": 1.16})
"""Log odds above which a window counts as upside down: at most one upright recording in a hundred is beyond."""


def upside_down(windows: npt.ArrayLike, lead: str) -> Vector:
    """Log odds that each window (n × 1000, finite millivolts at 100 Hz) of ``lead`` is upside down.

    0 where no beat is found. Minus a window has minus its log odds, to the bit; rows do not depend on their
    neighbours. Refuses a lead that has no weights: which way up the others are differs between people. For a
    longer recording take the mean of its windows. Costs some 100 µs a window.
    """
    weights = _weights(lead)
    rows = as_windows(windows)
    odds = np.empty(len(rows), np.float32)
    for where, chunk in chunks(rows):
        down = bandpassed_down(chunk)
        beats = mean_beats(np.ascontiguousarray(down.T), down)
        odds[where] = -np.einsum("ij,j->i", beats, weights)[: where.stop - where.start]
    return odds


def is_upside_down(odds: npt.ArrayLike, lead: str) -> npt.NDArray[np.bool_]:
    """Whether log odds of `upside_down`, of windows or means of several, are beyond the limit of the lead."""
    _weights(lead)
    return np.asarray(np.asarray(odds) > LIMITS[lead], np.bool_)


def log_odds(windows: Vector, good: npt.NDArray[np.bool_], lead: str) -> Vector:
    """`upside_down` of the ``good`` ones of some windows; NaN for others, and for a lead without weights."""
    odds = np.full(len(windows), np.nan, np.float32)
    if lead in WEIGHTS and good.any():
        odds[good] = upside_down(windows[good], lead)
    return odds


def words(odds: npt.ArrayLike, lead: str) -> list[str | None]:
    """`INVERTED` or `UPRIGHT` for each of some log odds; None where NaN, and for a lead without weights."""
    known = np.atleast_1d(np.isfinite(odds)) & (lead in WEIGHTS)
    if not known.any():
        return [None] * len(known)
    turned = np.atleast_1d(is_upside_down(odds, lead))
    pairs = zip(turned.tolist(), known.tolist(), strict=True)
    return [(INVERTED if over else UPRIGHT) if told else None for over, told in pairs]


@functools.lru_cache(maxsize=len(WEIGHTS))
def _weights(lead: str) -> Vector:
    if lead not in WEIGHTS:
        raise SignalError(f"which way up {lead!r:.10} is cannot be told; of {', '.join(WEIGHTS)} it can")
    weights = np.array(WEIGHTS[lead], np.float32) / np.float32(100)
    if weights.shape != (BEAT,):
        raise AssertionError(f"lead {lead}: {len(weights)} weights for a beat of {BEAT} samples")
    weights.flags.writeable = False
    return weights
