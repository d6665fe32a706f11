"""What reduced precision costs a model, for the manifest: `precision.json` of `selfmis model precision`."""

from pathlib import Path
from typing import Any

from shared.artefact import CalibrationRecord
from training.export.facts import measured


def precision_of(path: Path, weights: bytes, calibration: CalibrationRecord) -> dict[str, Any]:
    """The metric ``bf16`` as nested numbers: engines use bf16 if its ``auroc_lost`` is small enough.

    Refuses figures of another model: of other weights, or calibrated otherwise.
    """
    found = measured(path, "figures", "selfmis model precision", {"bf16"}, weights, calibration)
    return {"bf16": dict(found["bf16"])}
