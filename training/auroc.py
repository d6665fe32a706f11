"""The area under the ROC curve, exactly, ties counted as half."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata


def auroc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """How often a positive scores higher than a negative; NaN where there is none of either.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    positive = np.asarray(labels) > 0.5
    ranks = rankdata(np.asarray(scores, np.float64))
    positives = int(positive.sum())
    negatives = positive.size - positives
    if not positives or not negatives:
        return float("nan")
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
