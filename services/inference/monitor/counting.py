"""Counters and histogram buckets of a step: facts that are committed, so that no crash counts twice or forgets.

Names are ``family|label|…``; `services.inference.metrics` turns them into metrics. Every label is one of a fixed
few words, so that nothing here grows with patients or time.
"""

from collections import Counter
from typing import Any

import numpy as np

from services.inference.alarms import Alert
from services.inference.engine import Scored
from services.inference.windows import Outcome
from shared.quality import REASON_LABELS, REASONS
from shared.score_histogram import SCORE_EDGES, buckets

SEVERAL = "several"
_BITS = np.array([int(reason) for reason in REASONS], np.int64)  # in the order of the labels
_SCORES = tuple(f"score|{edge:.2f}" for edge in SCORE_EDGES)


def windows_counted(windows: np.ndarray[Any, np.dtype[np.void]], scored: Scored) -> Counter[str]:
    """How many windows had which outcome, why the gate refused, and where the any-MI scores lie."""
    counted: Counter[str] = Counter()
    if not len(windows):
        return counted
    many = windows["windows"]
    short = windows["outcome"] == Outcome.UNASSESSABLE
    counted["windows|missing"] = int(many[short].sum())
    counted["windows|scored"] = int(many[scored.assessed].sum())
    counted["windows|rejected"] = int(many[~short & ~scored.assessed].sum())
    refused = scored.reasons[scored.reasons > 0].astype(np.int64)
    if refused.size:
        main = np.bincount(np.searchsorted(_BITS, refused & -refused), minlength=len(_BITS))
        for label, amount in zip(REASON_LABELS, main.tolist(), strict=True):
            counted[f"rejects|{label}"] = amount
    any_mi = scored.probabilities[scored.assessed, -1]
    if any_mi.size:
        for name, amount in zip(_SCORES, buckets(any_mi).tolist(), strict=True):
            if amount:
                counted[name] = amount
        # A sum in whole millionths: integers add up to the same in any order of commits.
        counted["score_sum_e6"] = int(np.rint(any_mi.astype(np.float64) * 1e6).sum())
    return counted


def alert_counted(alert: Alert) -> str:
    """The counter of an alert. A mute's may name any set of types, which are too many for a label."""
    type_ = SEVERAL if "," in alert.type else alert.type
    return f"alerts|{alert.kind}|{type_}|{alert.priority}|{alert.transition}"
