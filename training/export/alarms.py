"""What the model's alarms came to on streams, for the manifest: `streams.json` of `selfmis alarms streams`."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.artefact import CalibrationRecord
from training.export.facts import ExportError

PARTS = ("recorded", "simulated")
KEPT = (
    "patients", "patient_hours", "episodes", "detected", "sensitivity", "sensitivity_low", "sensitivity_high",
    "false_alarms", "false_alarm_patients", "false_alarms_per_patient_hour", "time_to_detection_s_median",
    "alarm_minutes_per_patient_day",
)  # fmt: skip


def alarms_of(path: Path, weights: bytes, calibration: CalibrationRecord) -> dict[str, Any]:
    """The rules and what they did on other recordings and on the simulator, as nested numbers.

    Refuses figures of another model: of other weights, or calibrated otherwise.
    """
    try:
        found: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise ExportError(f"streams {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ExportError(f"streams {path} are no JSON: {error!s:.80}") from None
    if not isinstance(found, Mapping) or not {"model", "rules", *PARTS} <= found.keys():
        raise ExportError(f"streams {path} were not made by `selfmis alarms streams`")
    of = found["model"]
    if of["weights_sha256"] != hashlib.sha256(weights).hexdigest():
        raise ExportError(f"streams {path} are of other weights: {of['name']!s:.40}, lead {of['lead']!s:.4}")
    if of["calibration"] != calibration.model_dump(mode="json"):
        raise ExportError(f"streams {path} are of the same weights, calibrated otherwise")
    return {"rules": dict(found["rules"]), **{part: _numbers(found[part]) for part in PARTS}}


def _numbers(part: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {
        name: {figure: kind[figure] for figure in ("patients", "episodes", "detected", "false_alarms")}
        for name, kind in part["kinds"].items()
    }
    return {figure: part[figure] for figure in KEPT} | {"kinds": kinds}
