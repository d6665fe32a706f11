"""From cut windows to scores: fill gaps, resample, judge the quality, and ask the model about what is worth it.

Windows of many patients and shards go through together; the result of each depends on itself alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from services.inference.windows import Cut, Outcome
from shared.labels import SCORE_NAMES
from shared.quality import Limits, assess, clipped_share
from shared.signal import WINDOW_SAMPLES, interpolate_missing, missing_share, resample

Array = npt.NDArray[np.float32]


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
    strips = np.full((total, WINDOW_SAMPLES), np.nan, np.float32)
    missing = np.zeros(total, np.float32)
    clipped = np.zeros(total, np.float32)
    for rate_mhz, index, received, gapped in _by_rate(cuts, offsets):
        whole = received
        if gapped.any():
            present = ~np.isnan(received)
            missing[index] = missing_share(present)
            whole = interpolate_missing(received, present)
        clipped[index] = clipped_share(whole)
        strips[index] = resample(whole, rate_mhz)
    quality = np.full(total, np.nan, np.float32)
    reasons = np.zeros(total, np.uint16)
    assessed = np.zeros(total, bool)
    judged = np.flatnonzero(~np.isnan(strips[:, 0]))
    if judged.size:
        # A sample more than the share: neither rounding nor a window's odd last sample decides.
        limits = replace(Limits(), missing=max_missing + 2 / WINDOW_SAMPLES)
        found = assess(strips[judged], missing=missing[judged], clipped=clipped[judged], limits=limits)
        quality[judged], reasons[judged], assessed[judged] = found.score, found.reasons, found.accept
    probabilities = np.full((total, len(SCORE_NAMES)), np.nan, np.float32)
    asked = np.flatnonzero(assessed)
    if asked.size:
        probabilities[asked] = engine(strips[asked])
    return [
        Scored(assessed[a:b], probabilities[a:b], quality[a:b], reasons[a:b], strips[a:b])
        for a, b in pairwise(offsets.tolist())
    ]


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
