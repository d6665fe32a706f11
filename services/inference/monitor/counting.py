"""Counters and histogram buckets of a step: facts that are committed, so that no crash counts twice or forgets.

Names are ``family|label|…``; `services.inference.api` turns them into metrics.
"""

from collections import Counter
from typing import Any

import numpy as np

from services.inference.engine import Scored
from services.inference.windows import Outcome
from shared.quality import REASONS

# Upper edges of the any-MI histogram; a bucket counts what lies in it alone.
SCORE_EDGES = tuple(round(0.05 * i, 2) for i in range(1, 21))


def windows_counted(windows: np.ndarray[Any, np.dtype[np.void]], scored: Scored) -> Counter[str]:
    """How many windows had which outcome, why the gate refused, and where the any-MI scores lie."""
    counted: Counter[str] = Counter()
    many = windows["windows"]
    short = windows["outcome"] == Outcome.UNASSESSABLE
    counted["windows|missing"] = int(many[short].sum())
    counted["windows|scored"] = int(many[scored.assessed].sum())
    counted["windows|rejected"] = int(many[~short & ~scored.assessed].sum())
    refused = scored.reasons[scored.reasons > 0].astype(np.int64)
    if refused.size:
        main = refused & -refused
        for reason in REASONS:
            counted[f"rejects|{reason.label}"] = int((main == int(reason)).sum())
    any_mi = scored.probabilities[scored.assessed, -1]
    if any_mi.size:
        places, amounts = np.unique(np.searchsorted(SCORE_EDGES, any_mi), return_counts=True)
        for place, amount in zip(places.tolist(), amounts.tolist(), strict=True):
            counted[f"score|{SCORE_EDGES[min(place, len(SCORE_EDGES) - 1)]:.2f}"] += amount
        # A sum in whole millionths: integers add up to the same in any order of commits.
        counted["score_sum_e6"] = int(np.rint(any_mi.astype(np.float64) * 1e6).sum())
    return counted
