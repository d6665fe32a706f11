"""The FHIR R4 view of alerts, read only: `services.inference.fhir` says how each is written."""

import json
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, Response
from starlette.requests import Request

from services.inference.api.alert_log import AlertLog, Logged, Wanted
from services.inference.api.cursor import Cursor
from services.inference.api.errors import Refused
from services.inference.api.fhir_refusals import BELOW
from services.inference.api.patient_json import as_json
from services.inference.api.patients import may_be
from services.inference.api.sources import Sources
from services.inference.fhir.bundle import searchset
from services.inference.fhir.capability import capability_statement
from services.inference.fhir.coding import MEDIA_TYPE
from services.inference.fhir.communication import communication
from services.inference.fhir.observation import observation
from services.inference.fhir.search import Search, SearchError, parse

_LAST = 2**64 - 1
_OUTCOME: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {**_OUTCOME, "description": "an OperationOutcome that says why"}
    for status in (400, 401, 403, 404, 422, 429, 503)
}
# Read by `parse`, which knows repeated and unknown ones.
_PARAMETERS = [
    {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
    for name, text in (
        ("_count", "alerts in a page, 200 at most"),
        ("sent", "a date with eq, gt, ge, lt or le before it; repeatable"),
        ("_lastUpdated", "the same"),
        ("subject:identifier", "a patient: system|value, |value or value"),
        ("_id", "an alert's id"),
        ("_cursor", "where to go on, out of a link"),
        ("_format", "json"),
    )
]
AlertId = Annotated[str, Path(max_length=64)]


class FhirResponse(JSONResponse):
    """JSON as FHIR calls it."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """A resource's bytes."""
        return as_json(content)


def routes(sources: Sources) -> APIRouter:
    """FHIR."""
    router = APIRouter(prefix=BELOW, tags=["fhir"], default_response_class=FhirResponse, responses=_REFUSALS)
    system = sources.settings.api.fhir_patient_system
    lead = sources.settings.window.lead

    @router.get("/metadata")
    def metadata(request: Request) -> Response:
        """A CapabilityStatement: what can be read and searched."""
        return _resource(capability_statement(_base(request)))

    @router.get("/Communication", openapi_extra={"parameters": _PARAMETERS})
    def communications(request: Request) -> Response:
        """Alerts as a searchset Bundle, oldest first; `next` links the following page where there is one."""
        try:
            search = parse(request.query_params.multi_items(), system)
        except SearchError as error:
            raise Refused(400, str(error)) from None
        rows, cursor = found(sources.alerts, search)
        base, asked = _base(request), request.query_params.multi_items()
        onward = None
        if cursor is not None:
            kept = [(name, value) for name, value in asked if name != "_cursor"]
            onward = f"{base}/Communication?{urlencode([*kept, ('_cursor', cursor.text())])}"
        here = f"{base}/Communication" + (f"?{urlencode(asked)}" if asked else "")
        resources = [communication(json.loads(row.view()), system) for row in rows]
        return _resource(searchset(resources, base, here, onward))

    @router.get("/Communication/{alert}")
    def one_communication(alert: AlertId) -> Response:
        """One alert."""
        return _resource(communication(_one(sources.alerts, alert), system))

    @router.get("/Observation/{alert}")
    def one_observation(alert: AlertId) -> Response:
        """What an alert rests on: the ten seconds, the scores, the quality."""
        resource = observation(_one(sources.alerts, alert), system, lead)
        if resource is None:
            raise Refused(404, "this alert rests on no observation")
        return _resource(resource)

    @router.get("/{rest:path}", include_in_schema=False)
    def other() -> Response:
        """Anything else, so that the refusal is FHIR's."""
        raise Refused(404, "Communication and Observation can be read here: see /fhir/metadata")

    return router


def found(log: AlertLog, search: Search) -> tuple[list[Logged], Cursor | None]:
    """The alerts of one page, oldest first, and the cursor behind it if there may be more.

    Raises what redis-py raises. Costs what it shows, but `_id` a walk through all that is kept.
    """
    if search.until_ms <= search.from_ms or (search.patient and not may_be(search.patient)):
        return [], None
    wanted = Wanted(search.patient)
    if search.id:
        row = log.find(search.id)
        there = row is not None and wanted.takes(row) and search.from_ms <= row.id[0] < search.until_ms
        return ([row] if row is not None and there else []), None
    since = Cursor(log.shards, {}, (search.from_ms - 1, _LAST) if search.from_ms else (0, 0))
    if search.cursor:
        since = Cursor.parse(search.cursor, log.shards)
    rows, cursor = log.onward(since, search.count, wanted, Cursor(log.shards, {}, (search.until_ms - 1, _LAST)))
    full = len(rows) == search.count
    # A cursor names floors to the millisecond, so a page may begin a moment too early.
    return [row for row in rows if row.id[0] >= search.from_ms], cursor if full else None


def _one(log: AlertLog, alert: str) -> dict[str, Any]:
    row = log.find(alert) if len(alert) == 32 else None
    if row is None:
        raise Refused(404, "no such alert is kept")
    view: dict[str, Any] = json.loads(row.view())
    return view


def _base(request: Request) -> str:
    try:
        return str(request.base_url).rstrip("/") + BELOW
    except ValueError:
        raise Refused(400, "the Host header is no address") from None


def _resource(resource: dict[str, Any]) -> Response:
    return FhirResponse(resource)
