"""From cut windows to scores: fill gaps, resample, judge the quality, and ask the model about what is worth it.

Windows of many patients and shards go through together; the result of each depends on itself alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from services.inference.engine.runtimes import LADDER, Array
from services.inference.windows import Cut, Outcome
from shared.labels import SCORE_NAMES
from shared.quality import Limits, assess, clipped_share
from shared.signal import WINDOW_SAMPLES, interpolate_missing, missing_share, resample

# The model's windows are picked out in portions that stay in the cache; full batches of the engine each.
_ASKED_AT_ONCE = 4 * LADDER[-1]


@dataclass(frozen=True, eq=False, slots=True)
class Scored:
    """One row for each row of a cut's windows.

    ``assessed``: the model was asked; else ``probabilities`` (n × 10) is NaN. ``reasons``: why the gate
    refused (`shared.quality.Reason` bits), 0 where it accepted or was not asked because too much was
    missing. ``quality`` is NaN where it was not asked. ``strips`` (n × 1000): millivolts at 100 Hz, NaN likewise.
    """

    assessed: npt.NDArray[np.bool_]
    probabilities: Array
    quality: Array
    reasons: npt.NDArray[np.uint16]
    strips: Array

    def __len__(self) -> int:
        return len(self.assessed)


def score(cuts: Sequence[Cut], engine: Callable[[Array], Array], *, max_missing: float = 0.1) -> list[Scored]:
    """Scores for the windows of several cuts, in one batch through the model.

    ``max_missing``: the share that windowing lets be missing; the gate lowers the quality for what is
    missing, but refuses nothing that windowing let pass.
    """
    offsets = np.concatenate([[0], np.cumsum([len(cut.windows) for cut in cuts])]).astype(np.int64)
    total = int(offsets[-1])
    missing = np.zeros(total, np.float32)
    clipped = np.zeros(total, np.float32)
    found: list[tuple[npt.NDArray[np.int64], Array]] = []
    for rate_mhz, index, received, gapped in _by_rate(cuts, offsets):
        whole = received
        if gapped.any():
            present = ~np.isnan(received)
            missing[index] = missing_share(present)
            whole = interpolate_missing(received, present)
        clipped[index] = clipped_share(whole)
        found.append((index, resample(whole, rate_mhz)))
    strips = _strips(found, total)
    quality = np.full(total, np.nan, np.float32)
    reasons = np.zeros(total, np.uint16)
    assessed = np.zeros(total, bool)
    judged = np.sort(np.concatenate([index for index, _ in found])) if found else np.zeros(0, np.int64)
    if judged.size:
        # A sample more than the share: neither rounding nor a window's odd last sample decides.
        limits = replace(Limits(), missing=max_missing + 2 / WINDOW_SAMPLES)
        looked_at = strips if len(judged) == total else strips[judged]
        verdict = assess(looked_at, missing=missing[judged], clipped=clipped[judged], limits=limits)
        quality[judged], reasons[judged], assessed[judged] = verdict.score, verdict.reasons, verdict.accept
    probabilities = np.full((total, len(SCORE_NAMES)), np.nan, np.float32)
    asked = np.flatnonzero(assessed)
    for first in range(0, len(asked), _ASKED_AT_ONCE):
        rows = asked[first : first + _ASKED_AT_ONCE]
        probabilities[rows] = engine(strips[rows])
    return [
        Scored(assessed[a:b], probabilities[a:b], quality[a:b], reasons[a:b], strips[a:b])
        for a, b in pairwise(offsets.tolist())
    ]


def _strips(found: Sequence[tuple[npt.NDArray[np.int64], Array]], total: int) -> Array:
    """All strips in the order of the windows, from rows and strips of each rate.

    Where every window is there and of one rate, nothing is copied.
    """
    if len(found) == 1 and len(found[0][0]) == total:
        return found[0][1]  # the rows of a rate rise, so these are 0, 1, 2 …
    strips = np.full((total, WINDOW_SAMPLES), np.nan, np.float32)
    for index, of_rate in found:
        strips[index] = of_rate
    return strips


def _by_rate(
    cuts: Sequence[Cut], offsets: npt.NDArray[np.int64]
) -> list[tuple[int, npt.NDArray[np.int64], Array, npt.NDArray[np.bool_]]]:
    """For each rate: itself, rows among all cuts, samples, which have gaps. So a rate is resampled once."""
    parts: dict[int, list[tuple[npt.NDArray[np.int64], Array, npt.NDArray[np.bool_]]]] = {}
    for cut, offset in zip(cuts, offsets, strict=False):
        for block in cut.blocks:
            gapped = cut.windows["outcome"][block.index] == Outcome.GAPPED
            parts.setdefault(block.rate_mhz, []).append((block.index + offset, block.millivolts, gapped))
    joined = []
    for rate, found in sorted(parts.items()):
        index, millivolts, gapped = (np.concatenate(column) for column in zip(*found, strict=True))
        joined.append((rate, index, millivolts, gapped))
    return joined
