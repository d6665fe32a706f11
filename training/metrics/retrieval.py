"""Does an embedding of one lead find the twelve-lead embedding of its own record among all others?"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from training.metrics.ranking import Floats, MetricError

Embeddings: TypeAlias = npt.NDArray[np.floating]

_CHUNK_ROWS = 2048


def own_rank(queries: Embeddings, keys: Embeddings) -> npt.NDArray[np.int64]:
    """For each query i how many keys are at least as similar (cosine) to it as key i is; 0 is found first.

    Ties count against it, so that keys that are all the same retrieve nothing.
    """
    if queries.shape != keys.shape or queries.ndim != 2 or not len(queries):
        raise MetricError(f"queries {queries.shape} and keys {keys.shape} must be equally many, of one width")
    query, key = (_unit(rows) for rows in (queries, keys))
    rank = np.empty(len(query), np.int64)
    for start in range(0, len(query), _CHUNK_ROWS):
        similar = query[start : start + _CHUNK_ROWS] @ key.T
        own = similar[np.arange(len(similar)), start + np.arange(len(similar))]
        rank[start : start + len(similar)] = (similar >= own[:, None]).sum(axis=1) - 1
    return rank


def retrieval_at(ranks: npt.NDArray[np.int64], k: int) -> Floats:
    """Which queries have their own key among the first ``k`` (1 or 0); the mean is retrieval@k."""
    return (ranks < k).astype(np.float64)


def ridge_map(source: Embeddings, target: Embeddings, *, strength: float = 1e-2) -> tuple[Floats, Floats, Floats]:
    """The linear map from one space into another that fits these pairs best: (mean, matrix, target's mean).

    Map with ``(x - mean) @ matrix``; compare with targets less their mean. ``strength`` is relative to the mean
    variance of ``source``, so it means the same for every encoder.
    """
    x, y = source.astype(np.float64), target.astype(np.float64)
    centre, goal = x.mean(axis=0), y.mean(axis=0)
    x, y = x - centre, y - goal
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += strength * np.trace(gram) / len(gram) + 1e-12
    return centre, np.linalg.solve(gram, x.T @ y), goal


def _unit(rows: Embeddings) -> Floats:
    wide = rows.astype(np.float64)
    unit: Floats = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
