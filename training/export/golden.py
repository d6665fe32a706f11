"""The windows that are kept with a model, so that any machine can check that it computes the same scores."""

import numpy as np
import numpy.typing as npt

from training.probe.selection import labelled_rows
from training.store import Store

WINDOWS = 16


def golden_windows(store: Store, folds: tuple[int, ...], lead: str, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """Up to `WINDOWS` recordings (n × 1000, mV) of these folds, half of them with an infarct where there are any.

    Recordings in millivolts come before those that survive as z-scores.
    """
    rows = labelled_rows(store, folds, (lead,))
    rows = np.random.default_rng(seed).permutation(rows)
    rows = rows[np.argsort(store.units[rows] != "mv", kind="stable")]
    infarct = store.labels(rows)[:, -1] > 0
    half = WINDOWS // 2
    chosen = np.concatenate([rows[infarct][:half], rows[~infarct][: WINDOWS - min(half, int(infarct.sum()))]])
    windows: npt.NDArray[np.float32] = store.signals(np.sort(chosen), leads=(lead,))[:, 0]
    return windows
