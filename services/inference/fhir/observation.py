"""What an alert rests on as an Observation: the ten-second strip as SampledData, the scores, the quality."""

import base64
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.inference.fhir import coding as c
from shared.quality.polarity import INVERTED

_LEADS: Final = {"I": ("131329", "MDC_ECG_ELEC_POTL_I"), "II": ("131330", "MDC_ECG_ELEC_POTL_II")}


def observed(alert: Mapping[str, Any]) -> bool:
    """Whether the alert carries anything that was observed; one about silence or of a person does not."""
    return bool(alert["strip"] or alert["scores"] or alert["quality"] is not None)


def inverted(alert: Mapping[str, Any]) -> bool:
    """Whether the lead seems to be upside down in the strip; what an older program committed does not say."""
    return bool(alert.get("polarity") == INVERTED)


def strip_counts(strip: Mapping[str, Any]) -> npt.NDArray[np.int16]:
    """The samples of an alert's strip, in steps of its ``uv_per_lsb``."""
    counts: npt.NDArray[np.int16] = np.frombuffer(base64.b64decode(strip["int16"]), "<i2")
    return counts


def observation(alert: Mapping[str, Any], patient_system: str, lead: str) -> dict[str, Any] | None:
    """The Observation of a committed alert (with ``committed_ms``); None where nothing was observed.

    ``lead``: the one that the wearables carry. Its status is preliminary for ever: nobody verifies it.
    """
    if not observed(alert):
        return None
    strip = alert["strip"]
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": alert["id"],
        "meta": c.meta(alert["committed_ms"]),
        "status": "preliminary",
        "category": [c.concept(c.coding(c.OBSERVATION_CATEGORY, "procedure", "Procedure"))],
        "code": c.concept(c.coding(c.MDC, "131328", "MDC_ECG_ELEC_POTL"), text="Single-lead ECG and its scores"),
    }
    if alert["patient"]:
        found["subject"] = c.patient_reference(alert["patient"], patient_system)
    if strip:
        length_us = round(len(strip_counts(strip)) * 1e6 / strip["rate_hz"])
        start, end = c.instant(alert["time_us"] - length_us), c.instant(alert["time_us"])
        found["effectivePeriod"] = {"start": start, "end": end}
    else:
        found["effectiveDateTime"] = c.instant(alert["time_us"])
    found["issued"] = c.instant(alert["committed_ms"] * 1000)
    if alert["model"]:
        found["method"] = {"text": f"SelfMIS, model {alert['model']}"}
    found["note"] = [{"text": text} for text in ([c.UPSIDE_DOWN] if inverted(alert) else []) + [c.RESEARCH_ONLY]]
    found["component"] = [
        *([_waveform(strip, lead)] if strip else []),
        *_scores(alert["scores"], "", "probability"),
        *_scores(alert["evidence"], "smoothed-", "smoothed probability"),
        *([_quantity(c.coding(c.QUALITY, "quality"), alert["quality"])] if alert["quality"] is not None else []),
    ]
    return found


def _waveform(strip: Mapping[str, Any], lead: str) -> dict[str, Any]:
    code, display = _LEADS[lead]
    return {
        "code": c.concept(c.coding(c.MDC, code, display)),
        "valueSampledData": {
            "origin": {"value": 0, "unit": "uV", "system": c.UCUM, "code": "uV"},
            "period": 1000 / strip["rate_hz"],  # milliseconds
            "factor": strip["uv_per_lsb"],
            "dimensions": 1,
            "data": " ".join(map(str, strip_counts(strip).tolist())),
        },
    }


def _scores(scores: Mapping[str, float] | None, prefix: str, what: str) -> list[dict[str, Any]]:
    return [
        _quantity(c.coding(c.SCORE, f"{prefix}{name}", f"{name}, {what}"), value)
        for name, value in (scores or {}).items()
    ]


def _quantity(code: dict[str, Any], value: float) -> dict[str, Any]:
    return {
        "code": c.concept(code),
        "valueQuantity": {"value": round(value, 6), "unit": "1", "system": c.UCUM, "code": "1"},
    }
