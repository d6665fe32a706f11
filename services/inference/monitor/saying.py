"""What windows and people led to, in the words in which it is kept: alerts with their strips, audit entries."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.inference import alarms
from services.inference.engine import Scored
from services.inference.engine.runtimes import Array
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


def bodies(
    said: Sequence[Sequence[alarms.Alert]],
    places: Sequence[Mapping[tuple[bytes, int, int], int]],
    scored: Scored,
    lead: str,
) -> list[list[bytes]]:
    """Each shard's alerts as they are kept: with the ten seconds that raised it, as int16 microvolts in base64.

    ``polarity`` says which way up the lead seems to be in these; the quality gate must have passed them. It is
    told of all alerts of a step at once, some 0.1 ms each: alone it takes a millisecond.
    """
    shown = [
        [_shown(alert, where, scored) for alert in alerts] for alerts, where in zip(said, places, strict=True)
    ]
    rows = np.array([row for some in shown for row in some if row is not None], np.int64)
    told = words(log_odds(scored.strips[rows], scored.assessed[rows], lead), lead)
    polarity = dict(zip(rows.tolist(), told, strict=True))
    return [
        [
            _body(alert, None if row is None else scored.strips[row], polarity.get(row))
            for alert, row in zip(alerts, some, strict=True)
        ]
        for alerts, some in zip(said, shown, strict=True)
    ]


def _shown(alert: alarms.Alert, places: Mapping[tuple[bytes, int, int], int], scored: Scored) -> int | None:
    """The row whose ten seconds go with an alert, if any do."""
    row = places.get((alert.patient.encode(), alert.session, alert.window)) if alert.strip else None
    return row if row is not None and np.isfinite(scored.strips[row, 0]) else None


def _body(alert: alarms.Alert, strip: Array | None, polarity: str | None) -> bytes:
    said = alert.to_dict() | {"polarity": polarity}
    if strip is not None:
        counts = np.clip(np.rint(strip * (1000 / STRIP_UV)), -32768, 32767).astype("<i2")
        said["strip"] = {
            "rate_hz": 100,
            "uv_per_lsb": STRIP_UV,
            "int16": base64.b64encode(counts.tobytes()).decode(),
        }
    else:
        said["strip"] = None
    return _json(said)


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
