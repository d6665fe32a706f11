"""Raw waveform: of one patient, of several, and as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.inference.api import answers
from services.inference.api.errors import Refused
from services.inference.api.patient_json import as_json
from services.inference.api.patients import JSON, UNKNOWN, may_be, one
from services.inference.api.polarity import of_strip
from services.inference.api.sources import Sources
from services.inference.api.sse import HEARTBEAT, HEARTBEAT_S, EventStream, event
from services.inference.api.strip_tail import Watcher
from services.inference.api.trace import Trace, nothing
from services.inference.api.waiting import within

MOST_PATIENTS = 100
_JUDGED_S = 10.1  # a window, and at odd rates a sample more
Seconds = Annotated[float, Query(gt=0, le=60, description="how many of the newest")]
Names = Annotated[list[str], Query(alias="patient", min_length=1, max_length=MOST_PATIENTS)]
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    503: {"model": answers.Error, "description": "too many streams are open"},
}


def routes(sources: Sources) -> APIRouter:
    """Strips."""
    router = APIRouter(prefix="/api", tags=["strips"])

    async def traces_of(names: Sequence[str], seconds: float) -> list[Trace]:
        wanted = [name.encode() for name in names]
        traces, _ = await to_thread.run_sync(
            lambda: sources.strips.newest(wanted, seconds), limiter=sources.strip_looks
        )
        return [traces[name] for name in wanted]

    @router.get("/patients/{patient:path}/strip", response_model=answers.JudgedStrip, responses=UNKNOWN)
    async def strip(patient: str, seconds: Seconds = 10) -> Response:
        """The newest seconds of raw waveform, and which way up the lead seems to be worn."""
        await to_thread.run_sync(one, sources, patient)
        (trace,) = await traces_of([patient], max(seconds, _JUDGED_S))
        polarity = await to_thread.run_sync(of_strip, trace.newest(_JUDGED_S), sources.settings.window.lead)
        return Response(as_json(_view(patient, trace, seconds) | {"polarity": polarity}), media_type=JSON)

    @router.get("/strips", response_model=answers.Strips)
    async def strips(names: Names, seconds: Seconds = 10) -> Response:
        """The same of several patients; of whom nothing is there, no samples."""
        known = _known(names)
        found = zip(known, await traces_of(known, seconds), strict=True)
        return Response(as_json({"strips": [_view(*each, seconds) for each in found]}), media_type=JSON)

    @router.get("/strips/stream", response_class=Response, responses=EVENTS)
    async def stream(names: Names) -> Response:
        """Events `strip`: of each patient the newest ten seconds first, then about once a second what is new."""
        wanted = [name.encode() for name in _known(names)]
        sources.streams.enter()
        try:
            watcher = await sources.tail.join(wanted)
        except BaseException:
            sources.streams.leave()
            raise

        def left() -> None:
            sources.tail.leave(watcher)
            sources.streams.leave()

        return EventStream(_events(sources, watcher), left)

    return router


def _view(patient: str, trace: Trace, seconds: float) -> dict[str, Any]:
    strip = trace.newest(seconds)
    return nothing(patient) if strip is None else strip.view(patient)


def _known(names: Sequence[str]) -> list[str]:
    if not all(map(may_be, names)):
        raise Refused(422, "query.patient: a patient's name is 1 to 32 bytes without controls")
    return list(dict.fromkeys(names))


async def _events(sources: Sources, watcher: Watcher) -> AsyncGenerator[bytes, None]:
    yield HEARTBEAT
    spoke = asyncio.get_running_loop().time()
    while not watcher.ended:
        await within(HEARTBEAT_S, watcher.news.wait())
        new = watcher.collect(sources.tail.traces)
        for name, strip in new:
            yield event("strip", as_json(strip.view(name.decode())))
        now = asyncio.get_running_loop().time()
        if new:
            spoke = now
        elif now - spoke >= HEARTBEAT_S:  # looks that find nothing new come every second
            yield HEARTBEAT
            spoke = now
