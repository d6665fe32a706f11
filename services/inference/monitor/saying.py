"""What windows and people led to, in the words in which it is kept: alerts with their strips, audit entries."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from services.inference import alarms
from services.inference.engine import Scored
from services.inference.windows import Outcome
from shared.quality.polarity import log_odds, words

Windows = npt.NDArray[np.void]
STRIP_UV = 1.0


def plain(alert: alarms.Alert) -> bytes:
    """An alert that no window raised, as it is kept: the time has no strip."""
    return _json(alert.to_dict() | {"polarity": None, "strip": None})


def audited(entry: str, command: dict[str, Any], outcome: str, error: str) -> bytes:
    said = {"command": entry, **command, "outcome": outcome} | ({"error": error} if error else {})
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def evidence(windows: Windows, scored: Scored) -> alarms.Scored:
    """Scored windows as the alarms take them; a run of empty windows is one row, with the last one's number."""
    return alarms.Scored(
        patient=windows["patient"],
        session=windows["session"],
        window=windows["window"] + windows["windows"] - 1,
        end_us=windows["end_us"],
        empty=_empty(windows),
        assessable=scored.assessed,
        reasons=scored.reasons,
        quality=scored.quality,
        scores=scored.probabilities,
    )


def _empty(windows: Windows) -> np.ndarray[Any, np.dtype[np.bool_]]:
    seconds = windows["missing"].astype(np.float64) * 1000 / windows["rate_mhz"]
    empty: np.ndarray[Any, np.dtype[np.bool_]] = (windows["outcome"] == Outcome.UNASSESSABLE) & (
        (windows["windows"] > 1) | (seconds >= 10.0)
    )
    return empty


def places(windows: Windows, rows: npt.NDArray[np.int64]) -> dict[tuple[bytes, int, int], int]:
    """Where each of these rows' windows stands, by patient, session and window."""
    some = windows[rows]
    keys = zip(some["patient"].tolist(), some["session"].tolist(), some["window"].tolist(), strict=True)
    return dict(zip(keys, rows.tolist(), strict=True))


def body(alert: alarms.Alert, places: Mapping[tuple[bytes, int, int], int], scored: Scored, lead: str) -> bytes:
    """An alert as it is kept: with the ten seconds that raised it, as int16 microvolts in base64.

    ``polarity`` says which way up the lead seems to be in these; the quality gate must have passed them.
    """
    said = alert.to_dict()
    row = places.get((alert.patient.encode(), alert.session, alert.window))
    if alert.strip and row is not None and np.isfinite(scored.strips[row, 0]):
        said["polarity"] = _polarity(scored, row, lead)
        counts = np.clip(np.rint(scored.strips[row] * (1000 / STRIP_UV)), -32768, 32767).astype("<i2")
        said["strip"] = {
            "rate_hz": 100,
            "uv_per_lsb": STRIP_UV,
            "int16": base64.b64encode(counts.tobytes()).decode(),
        }
    else:
        said["polarity"] = said["strip"] = None
    return _json(said)


def _polarity(scored: Scored, row: int, lead: str) -> str | None:
    rows = slice(row, row + 1)
    return words(log_odds(scored.strips[rows], scored.assessed[rows], lead), lead)[0]


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
