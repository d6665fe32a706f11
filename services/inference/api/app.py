"""The HTTP API: health, patients, alerts, the model. One-line JSON errors; no patient in any log."""

import logging
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisClusterException, RedisError
from starlette.exceptions import HTTPException as StarletteHTTPException

from services.inference.api import reading
from shared.artefact import Manifest
from shared.connection import Client
from shared.errors import SelfmisError
from shared.frames import MAX_PATIENT_BYTES

log = logging.getLogger(__name__)

MOST = 1000
RESEARCH_ONLY = "Research use only. Not a medical device."


def make_app(client: Callable[[], Client], shards: int, manifest: Callable[[], Manifest]) -> FastAPI:
    """The application. ``client`` and ``manifest`` are asked for when a request needs them."""
    app = FastAPI(title="SelfMIS Monitor", description=RESEARCH_ONLY, docs_url=None, redoc_url=None)
    _errors(app)

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        """This process answers."""
        return {"ok": True}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """Redis answers and every shard has an owner."""
        found = reading.standing(client(), shards)
        ready = found.owned == found.shards
        said = {"ready": ready, "shards": found.shards, "owned": found.owned, "commits": found.commits}
        return JSONResponse(said, status_code=200 if ready else 503)

    @app.get("/api/patients")
    def patients(
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100, offset: Annotated[int, Query(ge=0)] = 0
    ) -> dict[str, Any]:
        """Everybody, highest any-MI first."""
        everybody = reading.patients(client(), shards)
        rows = everybody.by_risk()[offset : offset + limit]
        listed = [reading.patient_view(everybody.names[row], everybody.records[row]) for row in rows.tolist()]
        return {"total": len(everybody.names), "offset": offset, "patients": listed}

    @app.get("/api/patients/{patient}")
    def patient(patient: str) -> dict[str, Any]:
        """One patient: newest window, scores, alarms in force."""
        known = len(patient.encode(errors="replace")) <= MAX_PATIENT_BYTES
        view = reading.patient(client(), shards, patient) if known else None
        if view is None:
            raise HTTPException(404, "no such patient")
        return view

    @app.get("/api/alerts")
    def alerts(limit: Annotated[int, Query(ge=1, le=MOST)] = 100) -> dict[str, Any]:
        """The newest alerts, newest first."""
        return {"alerts": reading.alerts(client(), shards, limit)}

    @app.get("/api/counters")
    def counters() -> dict[str, int]:
        """What was counted, each in the same commit as what it counts."""
        return dict(sorted(reading.counters(client(), shards).items()))

    @app.get("/api/model")
    def model() -> dict[str, Any]:
        """The model's manifest."""
        return {"notice": RESEARCH_ONLY, **manifest().model_dump(mode="json")}

    return app


def _errors(app: FastAPI) -> None:
    """Every refusal has one shape: ``{"error": "one line"}``."""

    @app.exception_handler(StarletteHTTPException)
    def refused(_request: Request, error: StarletteHTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"error": f"{where}: {first['msg']}"}, status_code=422)

    def unavailable(_request: Request, error: Exception) -> JSONResponse:
        log.warning("a view cannot be given: %s", " ".join(str(error).split()))
        return JSONResponse({"error": "Redis does not answer"}, status_code=503, headers={"Retry-After": "2"})

    for kind in (RedisError, RedisClusterException, OSError):
        app.add_exception_handler(kind, unavailable)

    @app.exception_handler(SelfmisError)
    def ours(_request: Request, error: SelfmisError) -> JSONResponse:
        log.warning("%s", error)
        return JSONResponse({"error": str(error)}, status_code=503)
