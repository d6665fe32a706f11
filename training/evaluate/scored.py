"""Probabilities, findings and truth of the tested records: all that figures are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from training.evaluate.members import Member
from training.evaluate.models import Change, Rows, scores_of
from training.store import Store

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scored:
    """``probabilities`` and ``found`` are replicates × records × scores; the rest is the same for all of them."""

    rows: Rows
    labels: Floats
    patients: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int16]
    probabilities: Floats
    found: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, keep: npt.NDArray[np.bool_]) -> "Scored":
        """Some of the records."""
        return Scored(
            self.rows[keep],
            self.labels[keep],
            self.patients[keep],
            self.folds[keep],
            self.probabilities[:, keep],
            self.found[:, keep],
        )


def score(
    replicates: Sequence[Sequence[Member]],
    store: Store,
    rows: Rows,
    *,
    leads: tuple[str, ...] | None = None,
    change: Change | None = None,
) -> Scored:
    """Score ``rows``, each by the member of every replicate that is tested on its fold."""
    labels = store.labels(rows).astype(np.float64)
    folds = store.folds[rows]
    probabilities = np.empty((len(replicates), *labels.shape))
    found = np.empty(probabilities.shape, np.bool_)
    for number, members in enumerate(replicates):
        for member in members:
            own = np.flatnonzero(np.isin(folds, member.folds))
            scores = scores_of(member.model, store, rows[own], leads=leads, change=change)
            probabilities[number, own] = scores
            found[number, own] = scores >= member.model.thresholds
    return Scored(rows, labels, store.patients[rows], folds, probabilities, found)
