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
from shared.quality import REASONS
from shared.score_histogram import SCORE_EDGES, buckets

SEVERAL = "several"


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
        for edge, amount in zip(SCORE_EDGES, buckets(any_mi).tolist(), strict=True):
            if amount:
                counted[f"score|{edge:.2f}"] = amount
        # A sum in whole millionths: integers add up to the same in any order of commits.
        counted["score_sum_e6"] = int(np.rint(any_mi.astype(np.float64) * 1e6).sum())
    return counted


def alert_counted(alert: Alert) -> str:
    """The counter of an alert. A mute's may name any set of types, which are too many for a label."""
    type_ = SEVERAL if "," in alert.type else alert.type
    return f"alerts|{alert.kind}|{type_}|{alert.priority}|{alert.transition}"
