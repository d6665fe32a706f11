"""Whether leads that are upside down are found, and how many upright ones are taken for them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.quality import is_upside_down, upside_down
from shared.quality.polarity import WEIGHTS
from shared.signal import WINDOW_SAMPLES
from training.evaluate.models import BATCH
from training.store import Store


def polarity(store: Store, folds: Sequence[int]) -> dict[str, Any]:
    """Of each lead of which it can be told, on all labelled records of these folds, good signal or not.

    ``found``: the share of turned records that are found. ``false``: of upright ones taken for turned, and under
    ``false_infarct`` of those with an infarct; None where there are none.
    """
    found: dict[str, Any] = {}
    for lead in WEIGHTS:
        rows = store.select(folds=folds, labelled=True, leads=(lead,))
        if not len(rows):
            continue
        parts = np.array_split(rows, -(-len(rows) // BATCH))
        windows = (store.signals(part, (lead,)).reshape(-1, WINDOW_SAMPLES) for part in parts)
        odds = np.concatenate([upside_down(part, lead) for part in windows])  # turned, they have the other sign
        taken, infarct = is_upside_down(odds, lead), store.labels(rows)[:, -1] > 0
        found[lead] = {
            "n": len(rows),
            "found": float(is_upside_down(-odds, lead).mean()),
            "false": float(taken.mean()),
            "false_infarct": float(taken[infarct].mean()) if infarct.any() else None,
        }
    return found
