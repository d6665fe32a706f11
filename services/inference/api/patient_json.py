"""Patients, their newest windows and alarms as JSON has them."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.inference.alarms.slot import NO_TYPE, Slot
from services.inference.alarms.standing import Standing
from services.inference.alarms.terms import NEVER_US
from shared.labels import SCORE_NAMES
from shared.quality import REASONS

OUTCOMES = ("complete", "gapped", "unassessable")
ANY_MI = SCORE_NAMES.index("MI")


def as_json(view: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(view, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def alarm_view(slot: Slot) -> dict[str, Any]:
    """An alarm in force for JSON."""
    return {
        "alarm": slot.alarm.hex(),
        "kind": slot.kind.label,
        "type": SCORE_NAMES[slot.type] if slot.type != NO_TYPE else "",
        "priority": slot.priority.label,
        "phase": slot.phase.label,
        "began_us": slot.began_us,
    }


def mutes_view(standing: Standing) -> list[dict[str, Any]]:
    """Known findings for JSON: there is one at most."""
    mute = standing.mute
    if mute is None:
        return []
    return [
        {
            "types": [name for bit, name in enumerate(SCORE_NAMES) if mute.types >> bit & 1],
            "ceiling": mute.ceiling.label,
            "until_us": mute.until_us if mute.until_us < NEVER_US else None,
        }
    ]


def scores_view(scores: Sequence[float]) -> dict[str, float]:
    """Probabilities by name."""
    return {name: round(score, 6) for name, score in zip(SCORE_NAMES, scores, strict=True)}


def standing_view(standing: Standing) -> dict[str, Any]:
    """Status and alarms in force."""
    return {
        "status": standing.status.label,
        "muted": standing.mute is not None,
        "alarms": [alarm_view(slot) for slot in standing.slots if slot.active],
    }


UNHEARD: dict[str, Any] = {
    "session": None,
    "window": None,
    "end_us": None,
    "rate_hz": None,
    "outcome": None,
    "quality": None,
    "rejected_for": [],
    "any_mi": None,
    "type": None,
    "scores": None,
}


def window_views(records: npt.NDArray[np.void]) -> list[dict[str, Any]]:
    """Newest windows. Column by column: one access to a field of one record costs as much as to all."""
    scored = np.isfinite(records["scores"][:, ANY_MI])
    known = np.isfinite(records["quality"])
    best = records["scores"][:, :ANY_MI].argmax(axis=1)
    columns = (
        records[name].tolist() for name in ("session", "window", "end_us", "rate_mhz", "outcome", "reasons")
    )
    return [
        {
            "session": str(session),
            "window": window,
            "end_us": end_us,
            "rate_hz": rate_mhz / 1000,
            "outcome": OUTCOMES[outcome],
            "quality": round(quality, 6) if judged else None,
            "rejected_for": _reasons(reasons),
            "any_mi": round(scores[ANY_MI], 6) if has_scores else None,
            "type": SCORE_NAMES[type_] if has_scores else None,
            "scores": scores_view(scores) if has_scores else None,
        }
        for session, window, end_us, rate_mhz, outcome, reasons, quality, judged, scores, has_scores, type_ in zip(
            *columns,
            records["quality"].tolist(),
            known.tolist(),
            records["scores"].tolist(),
            scored.tolist(),
            best.tolist(),
            strict=True,
        )
    ]


def _reasons(bits: int) -> list[str]:
    return [reason.label for reason in REASONS if bits & int(reason)] if bits else []
