"""Pages of a search as Bundles, and refusals as OperationOutcomes."""

from collections.abc import Sequence
from typing import Any, Final

_CODES: Final = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    408: "timeout",
    413: "too-long",
    422: "invalid",
    429: "throttled",
    503: "transient",
}


def searchset(resources: Sequence[dict[str, Any]], base: str, here: str, onward: str | None) -> dict[str, Any]:
    """One page. ``base``: the address of the FHIR endpoint; ``here``, ``onward``: of this page and the next.

    There is no total: it would cost a walk through everything that is kept.
    """
    links = [{"relation": "self", "url": here}]
    if onward is not None:
        links.append({"relation": "next", "url": onward})
    found: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if resources:  # FHIR has no empty lists
        found["entry"] = [
            {
                "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
                "resource": resource,
                "search": {"mode": "match"},
            }
            for resource in resources
        ]
    return found


def outcome(status: int, line: str) -> dict[str, Any]:
    """Why a request was refused."""
    severity = "fatal" if status == 500 else "error"
    issue = {"severity": severity, "code": _CODES.get(status, "exception"), "diagnostics": line}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
