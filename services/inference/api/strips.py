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
from services.inference.api.sources import Sources
from services.inference.api.sse import HEARTBEAT, HEARTBEAT_S, EventStream, event
from services.inference.api.strip_tail import Watcher
from services.inference.api.trace import nothing
from services.inference.api.waiting import within

MOST_PATIENTS = 100
Seconds = Annotated[float, Query(gt=0, le=60, description="how many of the newest")]
Names = Annotated[list[str], Query(alias="patient", min_length=1, max_length=MOST_PATIENTS)]
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    503: {"model": answers.Error, "description": "too many streams are open"},
}


def routes(sources: Sources) -> APIRouter:
    """Strips."""
    router = APIRouter(prefix="/api", tags=["strips"])

    async def newest(names: Sequence[str], seconds: float) -> list[dict[str, Any]]:
        wanted = [name.encode() for name in names]
        traces, _ = await to_thread.run_sync(
            lambda: sources.strips.newest(wanted, seconds), limiter=sources.strip_looks
        )
        strips = [traces[name].newest(seconds) for name in wanted]
        return [nothing(n) if strip is None else strip.view(n) for n, strip in zip(names, strips, strict=True)]

    @router.get("/patients/{patient:path}/strip", response_model=answers.Strip, responses=UNKNOWN)
    async def strip(patient: str, seconds: Seconds = 10) -> Response:
        """The newest seconds of raw waveform; null where a sample is missing."""
        await to_thread.run_sync(one, sources, patient)
        return Response(as_json((await newest([patient], seconds))[0]), media_type=JSON)

    @router.get("/strips", response_model=answers.Strips)
    async def strips(names: Names, seconds: Seconds = 10) -> Response:
        """The same of several patients; of whom nothing is there, no samples."""
        return Response(as_json({"strips": await newest(_known(names), seconds)}), media_type=JSON)

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
