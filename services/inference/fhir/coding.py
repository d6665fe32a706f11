"""The code systems and small data types that our FHIR resources share."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

MEDIA_TYPE: Final = "application/fhir+json"
VERSION: Final = "4.0.1"
RESEARCH_ONLY: Final = "Research use only. Not a medical device. Not verified by a person."
UPSIDE_DOWN: Final = "The lead seems to be worn upside down: then the scores mean nothing."

# Nobody owns ".invalid" (RFC 2606), so these names are ours alone and lead nowhere.
OURS: Final = "http://selfmis-monitor.invalid/fhir"
KIND: Final = f"{OURS}/alarm-kind"
TYPE: Final = f"{OURS}/infarction-type"
TRANSITION: Final = f"{OURS}/alarm-transition"
PHASE: Final = f"{OURS}/alarm-phase"
CAUSE: Final = f"{OURS}/alarm-cause"
PRIORITY: Final = f"{OURS}/alarm-priority"
SCORE: Final = f"{OURS}/score"
QUALITY: Final = f"{OURS}/signal-quality"
ALERT_ID: Final = f"{OURS}/alert"
ALARM_ID: Final = f"{OURS}/alarm"
ACTION: Final = f"{OURS}/command-action"
COMMAND_ID: Final = f"{OURS}/command"

ACT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
COMMUNICATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/communication-category"
OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
UCUM: Final = "http://unitsofmeasure.org"
# ISO/IEEE 11073-10101, the nomenclature of devices, as the specification's own ECG example names it.
MDC: Final = "urn:oid:2.16.840.1.113883.6.24"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def coding(system: str, code: str, display: str = "") -> dict[str, Any]:
    """A Coding."""
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(*codings: dict[str, Any], text: str = "") -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": list(codings)} | ({"text": text} if text else {})


def meta(committed_ms: int) -> dict[str, Any]:
    """The meta of what was committed then and never changes: its one version, and what it may be used for."""
    return {
        "versionId": "1",
        "lastUpdated": instant(committed_ms * 1000),
        "security": [coding(ACT_REASON, "HRESCH", "healthcare research")],
        "tag": [coding(f"{OURS}/notice", "research-use-only", RESEARCH_ONLY)],
    }


def instant(microseconds: int) -> str:
    """A moment as FHIR writes it, to the millisecond.

    >>> instant(1_700_000_000_123_456)
    '2023-11-14T22:13:20.123Z'
    """
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def patient_reference(patient: str, system: str) -> dict[str, Any]:
    """A patient by identifier alone: there is no Patient resource here, and no name."""
    return {"type": "Patient", "identifier": {"system": system, "value": patient}}
