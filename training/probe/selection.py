"""Which rows of a store a probe learns from, and which it chooses by."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.probe.logistic import ProbeError
from training.probe.subsets import labelled_share
from training.store import Store

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Folds to learn from, folds to choose by, and what share of the labels may be used."""

    folds: tuple[int, ...] = tuple(range(1, 9))
    validate: tuple[int, ...] = (9,)
    sources: tuple[str, ...] = ()  # empty: all
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.folds or not self.validate:
            raise ProbeError("folds to train on and folds to validate on are both needed")
        if both := set(self.folds) & set(self.validate):
            raise ProbeError(f"fold {min(both)} cannot be both trained on and validated on")
        if not 0 < self.share <= 1:
            raise ProbeError(f"a share of the labels is above 0 and at most 1, not {self.share:g}")
        if self.seed < 0:
            raise ProbeError(f"a seed is 0 or more, not {self.seed}")


def select(store: Store, split: Split, leads: tuple[str, ...]) -> tuple[Rows, Rows]:
    """The rows to train on and those to validate on, all labelled; refuses a store that lacks either."""
    train = labelled_rows(store, split.folds, leads, sources=split.sources)
    validation = labelled_rows(store, split.validate, leads, sources=split.sources)
    if split.share < 1:
        train = train[labelled_share(store.patients[train], store.labels(train), split.share, seed=split.seed)]
    return train, validation


def labelled_rows(
    store: Store, folds: Collection[int], leads: tuple[str, ...], *, sources: Collection[str] = ()
) -> Rows:
    """Labelled rows of these folds with these leads; where there are none, one line says why."""
    chosen = sources or None
    rows = store.select(folds=folds, sources=chosen, labelled=True, leads=leads)
    if len(rows):
        return rows
    listed = ", ".join(map(str, sorted(folds)))
    known = sorted({int(fold) for fold in np.unique(store.folds)} - {0})
    if not known:
        raise ProbeError(f"{store.path}: no record has a fold, so nothing can be kept apart for testing")
    if not len(store.select(folds=folds, sources=chosen)):
        raise ProbeError(f"{store.path}: no record in folds {listed}; it has {', '.join(map(str, known))}")
    if not len(store.select(folds=folds, sources=chosen, leads=leads)):
        raise ProbeError(f"{store.path}: no record in folds {listed} has lead {' '.join(leads)}")
    raise ProbeError(f"{store.path}: no record in folds {listed} has labels")
