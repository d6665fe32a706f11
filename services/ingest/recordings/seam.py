"""Making a loop of a recording so that nobody sees, and no detector counts, where it closes.

The loop runs from ``start`` to ``end`` and over again. The two ends are chosen so that
what leads up to ``end`` looks like what leads up to ``start``, over long enough a stretch
to hold the last beat: so the beat-to-beat interval across the seam is one the recording
really has there, as far as its rhythm repeats at all. The last moments before ``end``
are then faded over into those before ``start``, so that ``start`` follows without a step.
What lies before ``start`` is played once, at the beginning.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.frames import Samples

FADE_S = 0.25
# A beat at 40 a minute fits; shorter recordings compare the quarter that they can spare.
COMPARED_S = 1.5
START_CHOICE_S, END_CHOICE_S = 1.0, 3.0
# Wander slower than this must not decide where beats match.
WANDER_S = 0.6
SEARCH_HZ = 100
START_STEPS = 5
# What a QRS inside the fade costs, and a loop shorter by the whole recording, next to a perfect match's 0.
BUSY_FADE, SHORTNESS = 0.25, 0.05

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Loop:
    """Samples to be played from the first; after the last, go on at ``start``."""

    samples: npt.NDArray[Any]
    start: int


def crossfaded(samples: npt.NDArray[Any], start: int, end: int, fade: int) -> Loop:
    """The loop over [``start``, ``end``), its last ``fade`` samples fading into those before ``start``.

    Needs ``fade <= start`` and ``start + fade <= end``. Integers stay integers.
    """
    weight = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / (fade + 1))
    looped = samples[:end].copy()
    mixed = (1 - weight) * samples[end - fade : end] + weight * samples[start - fade : start]
    looped[end - fade :] = np.rint(mixed) if looped.dtype.kind == "i" else mixed
    return Loop(looped, start)


def beat_aligned(counts: Samples, rate_mhz: int) -> Loop:
    """The loop of an ECG. Costs a millisecond or two, whatever its length; nothing random."""
    n = len(counts)
    hertz = rate_mhz / 1000
    compared = max(2, min(round(COMPARED_S * hertz), n // 4))
    fade = max(1, min(round(FADE_S * hertz), compared // 2))
    first = _without_wander(counts[: compared + min(round(START_CHOICE_S * hertz), n // 8) + 1], hertz)
    last = _without_wander(counts[n - compared - min(round(END_CHOICE_S * hertz), n // 4) :], hertz)
    step = max(1, round(hertz / SEARCH_HZ))
    # Few starts and every end: it is enough that one of the two can be shifted freely.
    starts = np.arange(compared, len(first), step * START_STEPS)
    ends = np.arange(len(last), compared - 1, -step)
    length = (n - len(last) + ends[None, :]) - starts[:, None]
    cost = _mismatch(first, last, starts, ends, compared=compared, fade=fade, step=step) + SHORTNESS * (
        1 - length / n
    )
    i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
    start, end = int(starts[i]), int(ends[j])
    if step > 1:
        near = np.arange(max(compared, end - step), min(len(last), end + step) + 1)
        fine = _mismatch(first, last, np.array([start]), near, compared=compared, fade=fade, step=1)
        end = int(near[int(np.argmin(fine[0]))])
    return crossfaded(counts, start, n - len(last) + end, fade)


def _without_wander(counts: Samples, hertz: float) -> Floats:
    """Less its moving average; the ends are averaged over what there is."""
    half = max(1, round(WANDER_S * hertz / 2))
    sums = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    low = np.maximum(np.arange(len(counts)) - half, 0)
    high = np.minimum(np.arange(len(counts)) + half + 1, len(counts))
    drift: Floats = (sums[high] - sums[low]) / (high - low)
    return counts.astype(np.float64) - drift


def _mismatch(
    first: Floats,
    last: Floats,
    starts: npt.NDArray[np.intp],
    ends: npt.NDArray[np.intp],
    *,
    compared: int,
    fade: int,
    step: int,
) -> Floats:
    """How unlike the stretches before each start and each end are: 0 the same, 1 unrelated, 2 opposite."""
    back = np.arange(-compared, 0, step)
    before_start = first[starts[:, None] + back]
    before_end = last[ends[:, None] + back]
    of_start = np.square(before_start).sum(axis=1)[:, None]
    of_end = np.square(before_end).sum(axis=1)[None, :]
    both = of_start + of_end + 1e-9
    fading = back >= -fade
    busy = np.square(before_start[:, fading]).sum(axis=1)[:, None] + np.square(before_end[:, fading]).sum(axis=1)
    # Not a BLAS product: for matrices this small its threads cost more than they do, and the same recording
    # must give the same loop whatever their number.
    product = np.einsum("ik,jk->ij", before_start, before_end, optimize=False)
    mismatch: Floats = (of_start + of_end - 2 * product + BUSY_FADE * busy) / both
    return mismatch
