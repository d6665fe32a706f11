"""Alerts: a list, one, and a stream that a reconnect continues without a loss."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response

from services.inference.api import answers
from services.inference.api.alert_log import Wanted
from services.inference.api.cursor import Cursor
from services.inference.api.errors import Refused
from services.inference.api.follower import Listener
from services.inference.api.patient_json import as_json
from services.inference.api.patients import JSON, Limit, Microseconds, may_be
from services.inference.api.sources import Sources
from services.inference.api.sse import HEARTBEAT, HEARTBEAT_S, EventStream, event
from services.inference.api.strips import EVENTS

PAGE = 200
CursorText = Annotated[str, Query(max_length=16_384, description="a cursor that an answer or an event gave")]
KindName = Literal["mi", "lead_off", "poor_signal", "stream_lost", "system_silent"]
PriorityName = Literal["low", "medium", "high"]
TransitionName = Literal[
    "began", "recurred", "escalated", "updated", "cleared", "acknowledged", "ended", "muted", "unmuted"
]


def routes(sources: Sources) -> APIRouter:
    """Alerts."""
    router = APIRouter(prefix="/api/alerts", tags=["alerts"])

    @router.get("", response_model=answers.Alerts)
    def alerts(
        limit: Limit = 100,
        since: CursorText = "",
        patient: Annotated[str, Query(max_length=32)] = "",
        kind: KindName | None = None,
        priority: PriorityName | None = None,
        transition: TransitionName | None = None,
        before_us: Microseconds | None = None,
    ) -> Response:
        """The newest, newest first; or with a cursor the first ones behind it, so that by pages none is left out.

        `before_us`: those committed earlier.
        """
        if patient and not may_be(patient):
            raise Refused(422, "query.patient: a patient's name is 1 to 32 bytes without controls")
        wanted = Wanted(patient, kind or "", priority or "", transition or "", before_us)
        log = sources.alerts
        if since:
            found, cursor = log.onward(Cursor.parse(since, sources.shards), limit, wanted)
            found.reverse()
        else:
            cursor = log.ends()
            found = log.newest(wanted, limit)
        body = b",".join(row.view() for row in found)
        return Response(b'{"alerts":[' + body + b'],"cursor":' + as_json(cursor.text()) + b"}", media_type=JSON)

    @router.get("/stream", response_class=Response, responses=EVENTS)
    async def stream(
        since: CursorText = "", last_event_id: Annotated[str, Header(max_length=16_384)] = ""
    ) -> Response:
        """First an event `hello`, then every alert behind the cursor, each with the cursor behind it as its id.

        The cursor is the `Last-Event-ID` of a reconnect, or `since`; without one, what comes from now on. An
        alert may come twice: its id tells.
        """
        text = last_event_id or since
        cursor = Cursor.parse(text, sources.shards) if text else None
        sources.streams.enter()
        try:
            listener = await sources.follower.join()
        except BaseException:
            sources.streams.leave()
            raise

        def left() -> None:
            sources.follower.leave(listener)
            sources.streams.leave()

        return EventStream(_events(sources, listener, cursor), left)

    @router.get(
        "/{alert}",
        response_model=answers.Alert,
        responses={404: {"model": answers.Error, "description": "no such alert is kept"}},
    )
    def alert(alert: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> Response:
        """One alert."""
        found = sources.alerts.find(alert)
        if found is None:
            raise Refused(404, "no such alert is kept")
        return Response(found.view(), media_type=JSON)

    return router


async def _events(sources: Sources, listener: Listener, cursor: Cursor | None) -> AsyncGenerator[bytes, None]:
    """What was missed, read page by page up to where listening began, then what the follower tells."""
    at = cursor or listener.since
    yield event("hello", b"{}", at.text())
    while cursor is not None:
        here = at
        rows, at = await to_thread.run_sync(
            lambda: sources.alerts.onward(here, PAGE, until=listener.since)  # noqa: B023 - called before it changes
        )
        for row in rows:
            here = here.moved(row.shard, row.id)
            yield event("alert", row.view(), here.text())
        if len(rows) < PAGE:
            break
    while True:
        try:
            told = await asyncio.wait_for(listener.queue.get(), HEARTBEAT_S)
        except TimeoutError:
            yield HEARTBEAT
            continue
        if told is None:
            return
        row, text = told
        yield event("alert", row.view(), text)
