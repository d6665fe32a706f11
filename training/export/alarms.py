"""What the model's alarms came to on streams, for the manifest: `streams.json` of `selfmis alarms streams`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.artefact import CalibrationRecord
from training.classifier import TrainedRun, seen_folds, trained_folds
from training.decision import Decision
from training.export.facts import ExportError, measured

FOLDS = 10  # of PTB-XL, and of every store that `selfmis prepare` folds itself
PARTS = ("recorded", "simulated")
KEPT = (
    "patients", "patient_hours", "episodes", "detected", "sensitivity", "sensitivity_low", "sensitivity_high",
    "false_alarms", "false_alarm_patients", "false_alarms_per_patient_hour", "time_to_detection_s_median",
    "alarm_minutes_per_patient_day",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Folds:
    """What a run knows: folds that it, its encoder or its teacher learnt from, and all that decided anything."""

    trained: frozenset[int]
    seen: frozenset[int]
    """The trained ones among them, those validated on, and those its own decision was made on."""

    @classmethod
    def of(cls, run: TrainedRun, decision: Decision) -> "Folds":
        """Those of a run under this decision."""
        return cls(trained=trained_folds(run.config), seen=seen_folds(run.config) | frozenset(decision.folds))


def alarms_of(path: Path, weights: bytes, calibration: CalibrationRecord, known: Folds) -> dict[str, Any]:
    """The rules and what they did on other recordings and on the simulator, as nested numbers.

    Refuses figures of another model, of other weights or calibrated otherwise; rules that were judged on a fold
    the model has seen; and rules that were picked on one it was trained on (one that only decided may pick them).
    """
    parts = {"streams", "rules", *PARTS}
    found = measured(path, "streams", "selfmis alarms streams", parts, weights, calibration)
    _apart(path, found["streams"], known)
    return {"rules": dict(found["rules"]), **{part: _numbers(found[part]) for part in PARTS}}


def _apart(path: Path, streams: Mapping[str, Any], known: Folds) -> None:
    judged = {int(fold) for fold in streams["test_folds"]} & known.seen
    picked = {int(fold) for fold in streams["tune_folds"]} & known.trained
    if not judged and not picked:
        return
    what = (
        f"judged on fold {min(judged)}, which the model was trained or decided on"
        if judged
        else f"picked on fold {min(picked)}, which the model was trained on"
    )
    tune, test = (
        ", ".join(str(fold) for fold in range(1, FOLDS + 1) if fold not in folds) or "none of ten"
        for folds in (known.trained, known.seen)
    )
    raise ExportError(
        f"streams {path}: their rules were {what}: run `selfmis alarms streams` again; left for it are --tune:"
        f" {tune}; --test: {test}"
    )


def _numbers(part: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {
        name: {figure: kind[figure] for figure in ("patients", "episodes", "detected", "false_alarms")}
        for name, kind in part["kinds"].items()
    }
    return {figure: part[figure] for figure in KEPT} | {"kinds": kinds}
