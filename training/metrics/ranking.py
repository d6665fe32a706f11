"""How well scores order the records: AUROC, average precision and the ROC curve, ties and weights included."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shared.errors import SelfmisError

Floats: TypeAlias = npt.NDArray[np.float64]


class MetricError(SelfmisError):
    """Scores or labels that no figure can be made of."""


@dataclass(frozen=True, eq=False)
class Steps:
    """The weight of positives and negatives at each distinct score (last axis), lowest score first."""

    scores: Floats
    positives: Floats
    negatives: Floats


def steps(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Steps:
    """Rows of equal score become one step. Costs one sort of the scores and one pass over the weights.

    ``labels`` are 0 or 1. Refuses NaN among scores or labels, and lengths that differ.
    """
    score, label, weight = checked(scores, labels, weights)
    order = np.argsort(score, kind="stable")
    score, positive = score[order], label[order] > 0
    starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
    weight = weight[..., order]
    return Steps(
        score[starts],
        np.add.reduceat(np.where(positive, weight, 0.0), starts, axis=-1),
        np.add.reduceat(np.where(positive, 0.0, weight), starts, axis=-1),
    )


def auroc(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Floats:
    """The chance that a positive scores above a negative, a tie counting half; NaN without one of the two.

    >>> float(auroc([0.1, 0.4, 0.4, 0.9], [0, 0, 1, 1]))
    0.875
    """
    return area_under(steps(scores, labels, weights))


def average_precision(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """The area under the precision-recall steps, without interpolation; NaN without positives.

    >>> float(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]))
    0.8333333333333333
    """
    return precision_area(steps(scores, labels, weights))


def area_under(found: Steps) -> Floats:
    """`auroc` of rows that were already put in order."""
    below = np.cumsum(found.negatives, axis=-1) - found.negatives / 2
    won = np.einsum("...i,...i->...", found.positives, below)
    return _ratio(won, found.positives.sum(axis=-1) * found.negatives.sum(axis=-1))


def precision_area(found: Steps) -> Floats:
    """`average_precision` of rows that were already put in order."""
    above = np.cumsum(found.positives[..., ::-1], axis=-1)
    named = np.cumsum((found.positives + found.negatives)[..., ::-1], axis=-1)
    precision = np.divide(above, named, out=np.zeros_like(above), where=named > 0)
    return _ratio(np.einsum("...i,...i->...", found.positives[..., ::-1], precision), above[..., -1])


def roc_curve(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Floats]:
    """False and true positive rates, from (0, 0) to (1, 1), one corner for each distinct score."""
    found = steps(scores, labels)
    if not found.positives.any() or not found.negatives.any():
        raise MetricError("a ROC curve needs records with and without the finding")
    rates = [np.r_[0.0, np.cumsum(side[::-1]) / side.sum()] for side in (found.negatives, found.positives)]
    return rates[0], rates[1]


def checked(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """The three as float64 arrays that fit together; weights of one where there are none."""
    score, label = (np.asarray(values, np.float64) for values in (scores, labels))
    weight = np.ones(score.shape) if weights is None else np.asarray(weights, np.float64)
    if score.ndim != 1 or len(score) == 0:
        raise MetricError(f"scores must be a list with at least one record, not of shape {score.shape}")
    if label.shape != score.shape or weight.shape[-1:] != score.shape:
        raise MetricError(f"{len(score)} scores, labels {label.shape} and weights {weight.shape} do not fit")
    if np.isnan(score).any() or not np.isin(label, (0, 1)).all():
        raise MetricError("scores must be numbers and labels 0 or 1")
    return score, label, weight


def _ratio(top: Floats, bottom: Floats) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)
    return ratio
