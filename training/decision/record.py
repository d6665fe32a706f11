"""`decision.json` in a run folder: the calibration, the thresholds, and which records decided them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from shared.artefact import CalibrationRecord
from shared.labels import SCORE_NAMES
from training.decision.calibrate import calibrate, probabilities
from training.decision.threshold import DecisionError, Rule, thresholds
from training.runs import write_file

DECISION = "decision.json"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How a run's logits become probabilities and findings."""

    calibration: CalibrationRecord
    thresholds: dict[str, float]
    rule: str
    folds: tuple[int, ...]
    """The folds of the validation records; no figure may be reported on them."""
    records: int
    positives: dict[str, int]
    log_loss: dict[str, float]
    """Cross-validated log loss on the validation records of each way to calibrate."""


def decide(
    logits: npt.ArrayLike,
    labels: npt.NDArray[np.floating],
    patients: npt.NDArray[np.int64],
    *,
    folds: tuple[int, ...],
    rule: Rule,
) -> Decision:
    """The decision from the logits (n × `SCORE_NAMES`) of validation records. Refuses to decide on none."""
    if not len(labels):
        raise DecisionError(f"no labelled record in validation folds {_listed(folds)}: nothing can be calibrated")
    calibration, losses = calibrate(logits, labels, patients)
    return Decision(
        calibration=calibration,
        thresholds=thresholds(probabilities(logits, calibration), labels, rule),
        rule=rule.title,
        folds=folds,
        records=len(labels),
        positives={name: int(labels[:, i].sum()) for i, name in enumerate(SCORE_NAMES)},
        log_loss={method: round(loss, 6) for method, loss in losses.items()},
    )


def write_decision(run: Path, decision: Decision) -> None:
    """Write `decision.json`, all of it or none."""
    body = asdict(decision) | {"calibration": decision.calibration.model_dump(mode="json")}
    write_file(run / DECISION, (json.dumps(body, indent=2) + "\n").encode())


def read_decision(run: Path) -> Decision | None:
    """The run's decision; None where none was made. Refuses a file that is not one."""
    path = run / DECISION
    if not path.exists():
        return None
    try:
        body: dict[str, Any] = json.loads(path.read_bytes())
        decision = Decision(
            **{
                **body,
                "calibration": CalibrationRecord.model_validate_json(json.dumps(body["calibration"])),
                "folds": tuple(body["folds"]),
            }
        )
    except OSError as error:
        raise DecisionError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ValidationError) as error:
        why = (str(error).splitlines() or [""])[0]
        raise DecisionError(f"{path} is not a decision of this program: {why:.100}") from None
    said: Any = decision.thresholds
    levels = said if isinstance(said, dict) else {}
    if tuple(levels) != SCORE_NAMES or not all(isinstance(level, int | float) for level in levels.values()):
        raise DecisionError(f"{path}: its thresholds are not those of the ten scores")
    if not all(type(fold) is int for fold in decision.folds):
        raise DecisionError(f"{path}: its folds are no whole numbers")
    return decision


def _listed(folds: tuple[int, ...]) -> str:
    return ", ".join(map(str, folds)) or "(none)"
