"""An alert as a Communication: the message that an alarm began, changed or ended.

Not a DetectedIssue: that stands for the issue itself and changes while it lasts, and its severities and status
speak of a clinical finding. An alert is a message that was given once and never changes.
"""

from collections.abc import Mapping
from typing import Any, Final

from services.inference.fhir import coding as c
from services.inference.fhir.observation import inverted, observed

# FHIR's scale is that of requests. A reminder or an end asks for nothing, whatever the alarm's priority was.
PRIORITIES: Final = {"high": "stat", "medium": "asap", "low": "urgent"}
QUIET: Final = frozenset({"cleared", "acknowledged", "ended", "muted", "unmuted"})
_KINDS: Final = {
    "mi": "Myocardial infarction suspected",
    "lead_off": "Electrode without contact",
    "poor_signal": "Signal cannot be judged",
    "stream_lost": "Nothing comes from the patient's device",
    "system_silent": "Nothing comes from a source, a shard, or at all",
}


def communication(alert: Mapping[str, Any], patient_system: str) -> dict[str, Any]:
    """The Communication of a committed alert (with ``committed_ms``, as the API shows it).

    The patient is a reference by identifier; a system alarm has none. Costs some microseconds.
    """
    found: dict[str, Any] = {
        "resourceType": "Communication",
        "id": alert["id"],
        "meta": c.meta(alert["committed_ms"]),
        "identifier": [{"system": c.ALERT_ID, "value": alert["id"]}],
    }
    if alert["alarm"]:
        found["partOf"] = [{"identifier": {"system": c.ALARM_ID, "value": alert["alarm"]}, "display": "the alarm"}]
    found |= {
        "status": "completed",
        "category": [
            c.concept(c.coding(c.COMMUNICATION_CATEGORY, "alert", "Alert")),
            c.concept(c.coding(c.TRANSITION, alert["transition"])),
        ],
        "priority": "routine" if alert["transition"] in QUIET else PRIORITIES.get(alert["priority"], "routine"),
    }
    if alert["patient"]:
        found["subject"] = c.patient_reference(alert["patient"], patient_system)
    found["topic"] = _topic(alert)
    found["sent"] = c.instant(alert["committed_ms"] * 1000)
    found["sender"] = {"type": "Device", "display": "SelfMIS Monitor"}
    reasons = [c.coding(c.CAUSE, alert["cause"])] if alert["cause"] else []
    reasons += [c.coding(c.QUALITY, reason) for reason in alert["reasons"]]
    if reasons:
        found["reasonCode"] = [c.concept(each) for each in reasons]
    found["payload"] = [{"contentString": sentence(alert)}]
    if observed(alert):
        found["payload"].append({"contentReference": {"reference": f"Observation/{alert['id']}"}})
    found["note"] = [{"text": c.RESEARCH_ONLY}]
    if alert["who"]:
        said = {"authorString": alert["who"], "text": alert["why"] or alert["transition"]}
        found["note"].insert(0, said)
    return found


def sentence(alert: Mapping[str, Any]) -> str:
    """What a person reads: kind, type, priority and what happened; nothing of the patient."""
    what = _KINDS.get(alert["kind"], alert["kind"])
    type_ = f", type {alert['type']}" if alert["type"] else ""
    close = f" (close: {', '.join(alert['close'])})" if alert["close"] else ""
    priority = f", {alert['priority']} priority" if alert["priority"] not in {"", "none"} else ""
    turned = f" {c.UPSIDE_DOWN}" if inverted(alert) else ""
    return f"{what}{type_}{close}{priority}: {alert['transition']}.{turned} {c.RESEARCH_ONLY}"


def _topic(alert: Mapping[str, Any]) -> dict[str, Any]:
    codings = [c.coding(c.KIND, alert["kind"])]
    if alert["type"]:
        codings.append(c.coding(c.TYPE, alert["type"]))
    if alert["priority"]:
        codings.append(c.coding(c.PRIORITY, alert["priority"]))
    if alert["phase"]:
        codings.append(c.coding(c.PHASE, alert["phase"]))
    return c.concept(*codings, text=_KINDS.get(alert["kind"], alert["kind"]))
