"""A command as an AuditEvent: who asked for what, about whom, why, and what came of it."""

from collections.abc import Mapping
from typing import Any, Final

from services.inference.fhir import coding as c

# Codes of R4's value sets for it, which are DICOM's and ISO 21089's.
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_PATIENT_RECORD: Final = c.coding(_DICOM, "110110", "Patient Record")
_OF_THE_MONITOR: Final = c.coding(f"{c.OURS}/audit-event", "command", "Command to the monitor about no patient")
_SYSTEM_OBJECT: Final = c.coding(_ENTITY, "2", "System Object")
# What was asked for is so. Everything else was refused as a bad request is, which is FHIR's minor failure.
SUCCESSES: Final = frozenset({"applied", "already"})
_SUCCESS, _MINOR_FAILURE = "0", "4"
_DETAILS: Final = ("why", "types", "ceiling", "for_s", "device")


def audit_event(entry: Mapping[str, Any], patient_system: str) -> dict[str, Any]:
    """The AuditEvent of a committed audit entry (with ``applied_ms`` and ``shard``, as the API shows it).

    Its id is of the command, which is applied once. One that could not be read has no name of who asked, and no
    patient. Costs some microseconds.
    """
    patient, alarm, who = (entry.get(name, "") for name in ("patient", "alarm", "who"))
    found: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"s{entry['shard']}-{entry['command']}",
        "meta": c.meta(entry["applied_ms"]),
        "type": _PATIENT_RECORD if patient else _OF_THE_MONITOR,
    }
    if "action" in entry:
        found["subtype"] = [c.coding(c.ACTION, entry["action"])]
    error = f": {entry['error']}" if entry.get("error") else ""
    found |= {
        "action": "U" if patient else "E",
        "recorded": c.instant(entry["applied_ms"] * 1000),
        "outcome": _SUCCESS if entry["outcome"] in SUCCESSES else _MINOR_FAILURE,
        "outcomeDesc": f"{entry['outcome']}{error}",
        "agent": [({"who": {"display": who}} if who else {}) | {"requestor": True}],
        "source": {"observer": {"type": "Device", "display": "SelfMIS Monitor"}},
        "entity": [_command(entry)],
    }
    if alarm:
        what = {"identifier": {"system": c.ALARM_ID, "value": alarm}, "display": "the alarm"}
        found["entity"].insert(0, {"what": what, "type": _SYSTEM_OBJECT})
    if patient:
        about = {"what": c.patient_reference(patient, patient_system), "type": c.coding(_ENTITY, "1", "Person")}
        found["entity"].insert(0, about | {"role": c.coding(_ROLE, "1", "Patient")})
    return found


def _command(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The command itself, and what was given with it."""
    identifier = {"system": c.COMMAND_ID, "value": f"{entry['shard']}/{entry['command']}"}
    made: dict[str, Any] = {"what": {"identifier": identifier, "display": "the command"}, "type": _SYSTEM_OBJECT}
    detail = []
    for name in _DETAILS:
        value = entry.get(name)
        if value:
            text = " ".join(value) if name == "types" else str(value)
            detail.append({"type": name, "valueString": text})
    return made | ({"detail": detail} if detail else {})
