"""What a threshold does, and which one to take. A score at or above its threshold counts as found."""

import numpy as np
import numpy.typing as npt

from training.metrics.ranking import Floats, MetricError, checked, steps


def sensitivity(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None
) -> Floats:
    """The share of positives that is found; NaN without positives."""
    score, label, weight = checked(scores, labels, weights)
    return _share(score >= threshold, label > 0, weight)


def specificity(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float, weights: npt.ArrayLike | None = None
) -> Floats:
    """The share of negatives that is not found; NaN without negatives."""
    score, label, weight = checked(scores, labels, weights)
    return _share(score < threshold, label == 0, weight)


def youden_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The threshold with the largest sensitivity + specificity, midway to the next score below it.

    Of equals the highest, which raises the fewest alarms. Refuses labels without positives or negatives.
    """
    found = steps(scores, labels)
    if not found.positives.any() or not found.negatives.any():
        raise MetricError("a threshold needs records with and without the finding")
    # At step i everything from i on is found.
    missed = np.r_[0.0, np.cumsum(found.positives)[:-1]] / found.positives.sum()
    passed = np.r_[0.0, np.cumsum(found.negatives)[:-1]] / found.negatives.sum()
    gain = passed - missed
    best = int(np.flatnonzero(gain >= gain.max() - 1e-12)[-1])
    return float(found.scores[best] if best == 0 else (found.scores[best] + found.scores[best - 1]) / 2)


def threshold_at_specificity(scores: npt.ArrayLike, labels: npt.ArrayLike, wanted: float) -> float:
    """The lowest threshold that leaves at least this share of the negatives below it, midway to the next score.

    It needs no positives, so it can be had for findings that are too rare to be weighed. Refuses labels without
    negatives.
    """
    score, label, _ = checked(scores, labels, None)
    negatives = np.sort(score[label == 0])
    if not len(negatives):
        raise MetricError("a threshold needs records without the finding")
    if not 0 <= wanted < 1:
        raise MetricError(f"a specificity to aim at is at least 0 and below 1, not {wanted:g}")
    below = int(np.ceil(wanted * len(negatives) - 1e-9))
    if below == 0:
        return float(score.min())
    highest = negatives[below - 1]
    above = score[score > highest]
    return float((highest + above.min()) / 2 if len(above) else np.nextafter(highest, np.inf))


def _share(hit: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_], weight: Floats) -> Floats:
    total = weight @ among.astype(np.float64)
    counted = np.asarray(weight @ (hit & among).astype(np.float64))
    share: Floats = np.divide(counted, total, out=np.full(counted.shape, np.nan), where=total > 0)
    return share
