"""`POST /api/score`: a recording in, its windows' scores out. The model runs in a thread, so many at a time."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, ValidationError

from services.inference.api import answers
from services.inference.api.errors import Refused
from services.inference.api.model_in_use import InUse
from services.inference.api.patient_json import as_json
from services.inference.api.patients import JSON
from services.inference.api.scoring import scored
from services.inference.api.sources import Sources
from services.inference.api.uploads import Recording, Unreadable, from_csv, from_numbers, from_wfdb
from services.inference.engine import Engine, open_engine
from services.inference.windows import Rules
from shared.artefact import load
from shared.frames import LEADS

CSV, ZIP = "text/csv", "application/zip"


class Numbers(BaseModel):
    """A recording as JSON."""

    model_config = ConfigDict(extra="forbid")

    rate_hz: float
    millivolts: list[float | None]


class Engines:
    """The engine of the model that the monitor uses, opened when first needed and again when that changes."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._open: tuple[InUse, Engine] | None = None

    def now(self) -> Engine:
        """It. Opening takes a second or two; raises what `open_engine` and `shared.artefact.load` raise."""
        settings, in_use = self._sources.settings, self._sources.model.now(self._sources.client)
        with self._lock:
            if self._open is None or self._open[0] != in_use:
                self._sources.model.manifest(in_use)
                model = load(in_use.folder, expect_lead=settings.window.lead)
                self._open = in_use, open_engine(model, settings.engine)
            return self._open[1]


BODY = {
    "required": True,
    "content": {
        JSON: {"schema": Numbers.model_json_schema()},
        CSV: {"schema": {"type": "string"}},
        ZIP: {"schema": {"type": "string", "format": "binary"}},
    },
}


def routes(sources: Sources) -> APIRouter:
    """Scoring."""
    router = APIRouter(prefix="/api", tags=["score"])
    settings, engines = sources.settings, Engines(sources)
    threads = ThreadPoolExecutor(settings.api.scorings, thread_name_prefix="score")
    busy = 0

    def work(kind: str, body: bytes, query: dict[str, Any]) -> bytes:
        sent = recording(kind, body, query, settings.api.max_upload_bytes)
        engine = engines.now()
        rules, most = Rules.of(settings.window), settings.window.max_missing
        found = scored(sent, rules, engine, lead=query["lead"], max_missing=most)
        return as_json(found | {"model": engine.version})

    @router.post(
        "/score",
        response_model=answers.Scoring,
        openapi_extra={"requestBody": BODY},
        responses={
            413: {"model": answers.Error, "description": "the recording is too large"},
            415: {"model": answers.Error, "description": "it is of no kind that is read"},
        },
    )
    async def score(
        request: Request,
        rate_hz: Annotated[float, Query(ge=50, le=1000, description="for CSV: samples per second")] = 100.0,
        unit: Annotated[str, Query(max_length=8, description="for CSV: V, mV, uV or nV")] = "mV",
        column: Annotated[str, Query(max_length=100, description="for CSV with several columns: which")] = "",
        lead: Annotated[str, Query(max_length=8, description="for WFDB: the lead; empty is the monitor's")] = "",
    ) -> Response:
        """Score an uploaded recording of one lead, as the monitor would score its stream. Research use only."""
        nonlocal busy
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {JSON, CSV, ZIP}:
            raise Refused(415, f"a recording is sent as {JSON}, {CSV} or {ZIP}")
        if kind == CSV and "rate_hz" not in request.query_params:
            raise Refused(422, "query.rate_hz: a CSV file does not say how fast it was sampled")
        wanted = (lead or settings.window.lead).upper()
        if wanted not in LEADS:
            raise Refused(422, "query.lead: is none of the standard leads")
        if busy >= 2 * settings.api.scorings:
            raise Refused(429, "other recordings are being scored: try again", {"Retry-After": "5"})
        busy += 1
        try:
            body = await request.body()
            query = {"rate_hz": rate_hz, "unit": unit, "column": column, "lead": wanted}
            found = await asyncio.get_running_loop().run_in_executor(threads, work, kind, body, query)
        finally:
            busy -= 1
        return Response(found, media_type=JSON)

    return router


def recording(kind: str, body: bytes, query: dict[str, Any], most_bytes: int) -> Recording:
    """The recording in a body of that type; ``query``: rate, unit, column and lead as the route takes them."""
    if kind == CSV:
        return from_csv(body, query["rate_hz"], query["unit"], query["column"])
    if kind == ZIP:
        return from_wfdb(body, query["lead"], most_bytes)
    try:
        said = Numbers.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:1])
        raise Unreadable(f"{where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise Unreadable("it is not JSON") from None
    return from_numbers(said.rate_hz, [float("nan") if v is None else v for v in said.millivolts])
