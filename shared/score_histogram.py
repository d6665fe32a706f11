"""The buckets in which any-MI scores are counted, the same at training time and on the ward.

So the scores that a model gives now can be laid beside those it gave on its reference recordings (`ScoreReference`
in the manifest): what the drift figure of docs/metrics.md compares.
"""

import numpy as np
import numpy.typing as npt

SCORE_EDGES: tuple[float, ...] = tuple(round(0.05 * i, 2) for i in range(1, 21))
"""Upper edges; a bucket holds what lies above the edge before it, and its own edge."""


def places(scores: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The bucket of each probability."""
    # A probability that rounding lifted above one belongs to the last bucket.
    found: npt.NDArray[np.int64] = np.minimum(np.searchsorted(SCORE_EDGES, scores), len(SCORE_EDGES) - 1)
    return found


def buckets(scores: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """How many probabilities lie in each bucket alone.

    >>> buckets([0.0, 0.05, 0.051, 1.0]).tolist()[:3], int(buckets([0.0, 0.05, 0.051, 1.0])[-1])
    ([2, 1, 0], 1)
    """
    counted: npt.NDArray[np.int64] = np.bincount(places(scores), minlength=len(SCORE_EDGES)).astype(np.int64)
    return counted
