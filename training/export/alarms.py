"""What the model's alarms came to on streams, for the manifest: `streams.json` of `selfmis alarms streams`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.artefact import CalibrationRecord
from training.export.facts import measured

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
    found = measured(path, "streams", "selfmis alarms streams", {"rules", *PARTS}, weights, calibration)
    return {"rules": dict(found["rules"]), **{part: _numbers(found[part]) for part in PARTS}}


def _numbers(part: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {
        name: {figure: kind[figure] for figure in ("patients", "episodes", "detected", "false_alarms")}
        for name, kind in part["kinds"].items()
    }
    return {figure: part[figure] for figure in KEPT} | {"kinds": kinds}
