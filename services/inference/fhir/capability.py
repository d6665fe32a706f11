"""What the FHIR endpoint can do, as a CapabilityStatement."""

from typing import Any

from services.inference.fhir.coding import MEDIA_TYPE, RESEARCH_ONLY, VERSION

SEARCHED = (
    ("_id", "token", "the alert's id"),
    ("_lastUpdated", "date", "when the alert was committed, which is when it was sent: it never changes"),
    ("sent", "date", "when the alert was committed; repeat it for both ends of a time"),
    ("subject", "reference", "with :identifier only: system|value, |value or value"),
)

# When what follows was last changed.
_SINCE = "2026-11-20"


def capability_statement(address: str) -> dict[str, Any]:
    """``address``: of the endpoint."""
    reading = [{"code": "read"}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "experimental": True,
        "date": _SINCE,
        "publisher": "SelfMIS Monitor",
        "description": f"Alerts of a monitor for single-lead ECGs, to be read. {RESEARCH_ONLY}",
        "kind": "instance",
        "software": {"name": "SelfMIS Monitor"},
        "implementation": {"description": "SelfMIS Monitor", "url": address},
        "fhirVersion": VERSION,
        "format": [MEDIA_TYPE, "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": RESEARCH_ONLY,
                "security": {"description": "A bearer token of role view or act, unless bound to loopback."},
                "resource": [
                    {
                        "type": "Communication",
                        "documentation": "One an alert. Oldest first; pages are linked by `next`.",
                        "interaction": [*reading, {"code": "search-type"}],
                        "versioning": "no-version",
                        "searchParam": [
                            {"name": name, "type": kind, "documentation": text} for name, kind, text in SEARCHED
                        ],
                    },
                    {
                        "type": "Observation",
                        "documentation": "What an alert rests on, under the alert's id.",
                        "interaction": reading,
                        "versioning": "no-version",
                    },
                ],
            }
        ],
    }
