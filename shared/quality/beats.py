"""Beats of many windows at once: two simple detectors, their agreement, the rhythm, and the mean beat.

Both detectors look for local maxima within ± 200 ms that stand out from the window's typical second, at
50 Hz. One takes the energy of the slope, the other the height above the surrounding 200 ms: noise that
fools one seldom fools the other at the same instants.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from shared.signal.operator import Operator
from shared.signal.window import RATE_HZ, WINDOW_SAMPLES, Windows

Vector = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

_STEP = 2  # detectors run on every second sample: 50 Hz
_SAMPLES = WINDOW_SAMPLES // _STEP
_SECOND = RATE_HZ // _STEP
_SECONDS = _SAMPLES // _SECOND
_REACH = 10  # 200 ms: no two beats of one detector are closer
_MATCH = 3  # 60 ms: the same beat to both
_TALL, _STEEP = 0.5, 0.3  # what share of the typical second's maximum is a beat; energy goes with the square
_TYPICAL = 5  # the typical second is the sixth of ten, sorted: half the seconds may hold no beat
_TILE = 32
_SLOPE = 2  # half of 80 ms at 50 Hz

_SHIFT = 8  # 80 ms: how far a beat is moved to lie on its sharpest point
_CURVE = 4  # sharpness is measured across ± 40 ms
_BEFORE, BEAT = 25, 64  # a beat is 250 ms before its peak to 390 ms after


@dataclass(frozen=True)
class Rhythm:
    """What the beats of each window say, one value a window."""

    beats: Vector
    between: Vector
    """Typical height between the beats over the typical second's greatest."""
    rate_bpm: Vector
    """From the median RR interval; 0 with fewer than two beats."""
    rr_spread: Vector
    disagreement: Vector
    template: Vector
    """1 − correlation of the median beat with the mean beat; 1 with fewer than two whole beats."""
    burst: Vector
    """Strongest second over the second weakest."""


@dataclass(frozen=True)
class _Detections:
    rows: Indices
    positions: Indices  # at 50 Hz

    @property
    def keys(self) -> Indices:
        """Positions on one axis, windows so far apart that none touches the next."""
        return self.rows * (2 * _SAMPLES) + self.positions


def rhythm(bandpassed: Windows, down: Windows) -> Rhythm:
    """Measure the beats of band-passed windows (one chunk of the gate); ``down``: the same with time down."""
    count = len(bandpassed)
    height = _height().transposed(bandpassed)
    energy = _smooth(_slope_energy(down))
    np.abs(height, out=height)
    seconds = _seconds(height)
    tall = _peaks(height, seconds, _TALL)
    steep = _peaks(energy, _seconds(energy), _STEEP)
    rate, spread = _intervals(steep, count)  # tall T waves are rarely steep
    return Rhythm(
        beats=_per_window(steep, count),
        between=_between(height) / np.maximum(seconds[_TYPICAL], np.float32(1e-6)),
        rate_bpm=rate,
        rr_spread=spread,
        disagreement=_disagreement(tall, steep, count),
        template=_template(bandpassed, tall),
        burst=seconds[-1] / np.maximum(seconds[1], np.float32(1e-6)),
    )


def mean_beats(bandpassed: Windows, down: Windows) -> Windows:
    """The mean beat of each window (one chunk, as for `rhythm`): `BEAT` samples about their median, r.m.s. 1.

    Zeros where no beat is whole. Beats are found without regard to sign: minus the windows gives minus the beats,
    to the bit.
    """
    energy = _smooth(_slope_energy(down))
    rows, peaks = _aligned(bandpassed, _peaks(energy, _seconds(energy), _STEEP))
    mean = np.zeros((len(bandpassed), BEAT), np.float32)
    if not len(rows):
        return mean
    beats = _normal(_stretches(bandpassed, BEAT)[rows * WINDOW_SAMPLES + peaks - _BEFORE])
    number = np.bincount(rows, minlength=len(bandpassed))
    present = np.flatnonzero(number)
    mean[present] = _normal(np.add.reduceat(beats, np.cumsum(number[present]) - number[present], axis=0))
    return mean


def _normal(beats: Windows) -> Windows:
    level = beats - np.median(beats, axis=1, keepdims=True)
    power = np.einsum("ij,ij->i", level, level) / np.float32(BEAT)
    normal: Windows = level / (np.sqrt(power)[:, None] + np.float32(1e-6))
    return normal


def _slope_energy(down: Windows) -> Windows:
    """Square of the difference across 80 ms, at 50 Hz; 0 where it would reach beyond the ends."""
    energy = np.zeros((_SAMPLES, down.shape[1]), np.float32)
    inner = energy[_SLOPE : _SAMPLES - _SLOPE]
    np.subtract(down[2 * _STEP * _SLOPE :: _STEP], down[: -2 * _STEP * _SLOPE : _STEP], out=inner)
    np.square(inner, out=inner)
    return energy


@functools.lru_cache(maxsize=1)
def _height() -> Operator:
    """Mean of 30 ms minus mean of 210 ms, at 50 Hz; ends are held."""
    matrix = np.zeros((WINDOW_SAMPLES, _SAMPLES))
    outputs = np.arange(_SAMPLES)
    for shift in range(-10, 11):
        tap = 1 / 3 - 1 / 21 if abs(shift) <= 1 else -1 / 21
        np.add.at(matrix, (np.clip(outputs * _STEP + shift, 0, WINDOW_SAMPLES - 1), outputs), tap)
    return Operator.from_dense(matrix, _TILE)


def _smooth(energy: Windows) -> Windows:
    """Sum of five neighbours (100 ms), fewer at the ends; time runs down."""
    out = energy.copy()
    for shift in (1, 2):
        out[shift:] += energy[:-shift]
        out[:-shift] += energy[shift:]
    return out


def _seconds(signal: Windows) -> Windows:
    """The maximum of each second, sorted, weakest first."""
    return np.sort(signal.reshape(_SECONDS, _SECOND, -1).max(axis=1), axis=0)


def _between(height: Windows) -> Vector:
    """The median of every fourth sample of each window: as good as that of all, at a tenth of the cost."""
    some = np.sort(height[::4].T.copy(), axis=1)
    return some[:, some.shape[1] // 2]


def _peaks(signal: Windows, seconds: Windows, share: float) -> _Detections:
    """Where ``signal`` is largest within ± `_REACH` and above ``share`` of the typical second's maximum."""
    count = signal.shape[1]
    padded = np.full((_SAMPLES + 2 * _REACH, count), -np.inf, np.float32)
    padded[_REACH:-_REACH] = signal
    highest = padded
    for step in (1, 2, 4, 8):  # maxima over 2, 4, 8, 16 samples
        highest = np.maximum(highest[:-step], highest[step:])
    highest = np.maximum(highest[: -2 * _REACH + 15], highest[2 * _REACH - 15 :])
    found = signal >= highest
    found &= signal > np.maximum(np.float32(share) * seconds[_TYPICAL], np.float32(1e-9))
    rows, positions = np.divmod(np.flatnonzero(np.ascontiguousarray(found.T)), _SAMPLES)
    return _Detections(rows, positions)


def _per_window(found: _Detections, count: int) -> Vector:
    return np.bincount(found.rows, minlength=count).astype(np.float32)


def _intervals(found: _Detections, count: int) -> tuple[Vector, Vector]:
    """Median rate and relative spread of the RR intervals."""
    same = found.rows[1:] == found.rows[:-1]
    rows = found.rows[1:][same]
    interval = (found.positions[1:] - found.positions[:-1])[same].astype(np.float64)
    number = np.maximum(np.bincount(rows, minlength=count), 1)
    mean = np.bincount(rows, interval, count) / number
    variance = np.bincount(rows, interval**2, count) / number - mean**2
    spread = np.sqrt(np.maximum(variance, 0)) / np.maximum(mean, 1)
    median = _median(rows, interval, count)
    rate = np.where(median > 0, 60 * _SECOND / np.maximum(median, 1), 0)
    return rate.astype(np.float32), spread.astype(np.float32)


def _median(rows: Indices, values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Median of ``values`` (all ≥ 0, below 2¹⁰) of each window, the lower of two; 0 without any."""
    order = np.sort(rows * 1024.0 + values)  # one flat sort, windows in order
    number = np.bincount(rows, minlength=count)
    first = np.cumsum(number) - number
    middle = np.minimum(first + np.maximum(number - 1, 0) // 2, max(len(order) - 1, 0))
    if not len(order):
        return np.zeros(count)
    return np.where(number > 0, order[middle] - np.arange(count) * 1024.0, 0)


def _disagreement(first: _Detections, second: _Detections, count: int) -> Vector:
    """Share of all detections that the other detector does not have within `_MATCH`; 1 without any."""
    total = np.maximum(_per_window(first, count) + _per_window(second, count), 1)
    matched = np.zeros(count)
    for one, other in ((first, second), (second, first)):
        nearest = _distance(one.keys, other.keys)
        matched += np.bincount(one.rows[nearest <= _MATCH], minlength=count)
    alone: Vector = (1 - matched / total).astype(np.float32)
    return alone


def _distance(keys: Indices, others: Indices) -> Indices:
    """From each key to the nearest of ``others``, both sorted."""
    if not len(others):
        return np.full(len(keys), _SAMPLES)
    after = np.searchsorted(others, keys)
    left = np.abs(keys - others[np.maximum(after - 1, 0)])
    right = np.abs(others[np.minimum(after, len(others) - 1)] - keys)
    nearest: Indices = np.minimum(left, right)
    return nearest


def _template(bandpassed: Windows, found: _Detections) -> Vector:
    """How far the median beat is from the mean beat; beats too near an end to be cut whole are left out.

    Beats are aligned at 100 Hz and compared at 50: it halves the cost and tells noise from ECG as well.
    """
    count = len(bandpassed)
    rows, peaks = _aligned(bandpassed, found)
    number = np.bincount(rows, minlength=count)
    distance = np.ones(count, np.float32)
    if not len(rows):
        return distance
    beats = _stretches(bandpassed, BEAT)[:, ::_STEP][rows * WINDOW_SAMPLES + peaks - _BEFORE]
    beats -= np.einsum("ij->i", beats)[:, None] * np.float32(_STEP / BEAT)
    beats /= np.sqrt(np.einsum("ij,ij->i", beats, beats))[:, None] + np.float32(1e-6)
    present = np.flatnonzero(number)
    mean = np.add.reduceat(beats, np.cumsum(number[present]) - number[present], axis=0)
    mean /= np.sqrt(np.einsum("ij,ij->i", mean, mean))[:, None] + np.float32(1e-6)
    slot = np.zeros(count, np.intp)
    slot[present] = np.arange(len(present))
    correlation = np.einsum("ij,ij->i", beats, mean[slot[rows]])
    median = _median(rows, np.clip(1 - correlation, 0, 2).astype(np.float64), count)
    enough = number >= 2
    distance[enough] = median[enough]
    return distance


def _aligned(bandpassed: Windows, found: _Detections) -> tuple[Indices, Indices]:
    """Windows and positions (100 Hz) of the beats, each on its sharpest point within ± 80 ms."""
    coarse = found.positions * _STEP
    first = coarse - _SHIFT - _CURVE
    whole = (coarse >= _SHIFT + _BEFORE) & (coarse <= WINDOW_SAMPLES - _SHIFT - BEAT + _BEFORE)
    rows, first = found.rows[whole], first[whole]
    around = _stretches(bandpassed, 2 * (_SHIFT + _CURVE) + 1)[rows * WINDOW_SAMPLES + first]
    curve = 2 * around[:, _CURVE:-_CURVE] - around[:, : -2 * _CURVE] - around[:, 2 * _CURVE :]
    return rows, first + _CURVE + np.argmax(np.abs(curve), axis=1)


def _stretches(windows: Windows, length: int) -> Windows:
    """Every stretch of so many samples by where it begins among all windows, one after the other: a view."""
    flat = windows.reshape(-1)
    return as_strided(flat, (flat.size - length + 1, length), flat.strides * 2, writeable=False)
