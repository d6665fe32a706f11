"""Whether probabilities mean what they say: reliability in bins, expected calibration error, log loss."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.metrics.ranking import Floats, MetricError, checked

BINS = 10
BINNING = f"{BINS} bins of equal width from 0 to 1"
_LEAST = 1e-7  # a float32 probability cannot say less


@dataclass(frozen=True, eq=False)
class Reliability:
    """Of each bin: the weight of the records in it, their mean probability and the share that has the finding.

    The last two are NaN in an empty bin.
    """

    weight: Floats
    predicted: Floats
    observed: Floats


def reliability(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Reliability:
    """Records by probability, in `BINS` bins of equal width; a probability of 1 belongs to the last.

    Refuses what lies outside 0…1.
    """
    probability, label, weight = checked(probabilities, labels, weights)
    if probability.min() < 0 or probability.max() > 1:
        raise MetricError(
            f"probabilities lie between 0 and 1, not at {probability.min():g} … {probability.max():g}"
        )
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    inside = np.eye(BINS)[place]
    total = weight @ inside
    means = [
        np.divide(weight @ (inside * values[:, None]), total, out=np.full(total.shape, np.nan), where=total > 0)
        for values in (probability, label)
    ]
    return Reliability(total, *means)


def expected_calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Floats:
    """The mean over records of how far their bin's mean probability is from its share of findings.

    >>> float(expected_calibration_error([0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0]))
    0.0
    """
    found = reliability(probabilities, labels, weights)
    gap = np.nan_to_num(np.abs(found.predicted - found.observed))
    error: Floats = (found.weight * gap).sum(axis=-1) / found.weight.sum(axis=-1)
    return error


def log_loss(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Mean negative log-likelihood; a probability of 0 or 1 counts as float32's nearest neighbour of it."""
    probability, label, _ = checked(probabilities, labels, None)
    probability = probability.clip(_LEAST, 1 - _LEAST)
    return float(-np.where(label > 0, np.log(probability), np.log1p(-probability)).mean())
