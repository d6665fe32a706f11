"""Counters and histogram buckets of a step: facts that are committed, so that no crash counts twice or forgets.

Names are ``family|label|…``; `services.inference.metrics` turns them into metrics. Every label is one of a fixed
few words, so that nothing here grows with patients or time.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.inference.alarms import Alert
from services.inference.engine import Scored
from services.inference.windows import Outcome
from shared.quality import REASON_LABELS, REASONS
from shared.score_histogram import SCORE_EDGES, places

Windows = npt.NDArray[np.void]
Rows = npt.NDArray[np.int64]
SEVERAL = "several"
_OUTCOMES = ("windows|missing", "windows|scored", "windows|rejected")
_REJECTS = tuple(f"rejects|{label}" for label in REASON_LABELS)
_BITS = np.array([int(reason) for reason in REASONS], np.int64)  # in the order of the labels
_SCORES = tuple(f"score|{edge:.2f}" for edge in SCORE_EDGES)


def windows_counted(windows: Windows, scored: Scored, parts: Sequence[Rows]) -> list[Counter[str]]:
    """How many windows had which outcome, why the gate refused, and where the any-MI scores lie: of each part.

    ``parts``: rows, none of them twice. All parts are counted together.
    """
    counted: list[Counter[str]] = [Counter() for _ in parts]
    rows = np.concatenate([np.zeros(0, np.int64), *parts])
    part = np.repeat(np.arange(len(parts)), [len(of) for of in parts])
    assessed, many = scored.assessed[rows], windows["windows"][rows]
    short = windows["outcome"][rows] == Outcome.UNASSESSABLE

    def count(names: Sequence[str], place: Rows, where: Rows, amounts: npt.ArrayLike | None = None) -> None:
        """``amounts`` (1 each) of the windows ``where``, each under the name at its place."""
        found = np.bincount(part[where] * len(names) + place, amounts)
        for at in np.flatnonzero(found).tolist():
            counted[at // len(names)][names[at % len(names)]] += round(found[at])

    count(_OUTCOMES, np.where(short, 0, np.where(assessed, 1, 2)), np.arange(len(rows)), many)
    refused = np.flatnonzero(scored.reasons[rows])
    reasons = scored.reasons[rows[refused]].astype(np.int64)
    count(_REJECTS, np.searchsorted(_BITS, reasons & -reasons), refused)
    asked = np.flatnonzero(assessed)
    any_mi = scored.probabilities[rows[asked], -1]
    count(_SCORES, places(any_mi), asked)
    # A sum in whole millionths: integers add up to the same in any order of commits.
    count(("score_sum_e6",), np.zeros(len(asked), np.int64), asked, np.rint(any_mi.astype(np.float64) * 1e6))
    return counted


def alert_counted(alert: Alert) -> str:
    """The counter of an alert. A mute's may name any set of types, which are too many for a label."""
    type_ = SEVERAL if "," in alert.type else alert.type
    return f"alerts|{alert.kind}|{type_}|{alert.priority}|{alert.transition}"
