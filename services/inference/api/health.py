"""Is it well, who may what, the ward in a few numbers, the model, the counters."""

import time
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request

from services.inference.api import answers, reading
from services.inference.api.access import role_of
from services.inference.api.model_in_use import InUse
from services.inference.api.sources import Sources
from services.inference.api.ward import counted
from services.inference.monitor.pulse import pulses
from shared.errors import SelfmisError

RESEARCH_ONLY = "Research use only. Not a medical device."


def routes(sources: Sources) -> APIRouter:
    """Health and what concerns the whole."""
    router = APIRouter()

    @router.get("/healthz", response_model=answers.Healthy)
    def healthz() -> dict[str, Any]:
        """This process answers."""
        return {"ok": True}

    @router.get("/readyz", response_model=answers.Ready, responses={503: {"model": answers.Ready}})
    def readyz() -> JSONResponse:
        """Redis answers and every shard has an owner; what the owners say of themselves."""
        found = reading.standing(sources.client, sources.shards)
        counters = reading.counters(sources.client, sources.shards)
        ready = found.owned == found.shards
        said = {
            "ready": ready,
            "shards": found.shards,
            "owned": found.owned,
            "commits": found.commits,
            "frames_no_room": counters["facts|frames_no_room"],
            "replicas": [_replica(name, told) for name, told in pulses(sources.client)],
        }
        return JSONResponse(said, status_code=200 if ready else 503)

    @router.get("/api/session", response_model=answers.Session)
    def session(request: Request) -> dict[str, Any]:
        """Who asks, and what they may."""
        role, auth = role_of(request)
        return {"role": role, "who_required": True, "auth": auth}

    @router.get("/api/summary", response_model=answers.Summary)
    def summary() -> JSONResponse:
        """The ward in a few numbers."""
        client, shards = sources.client, sources.shards
        found = reading.standing(client, shards)
        totals = reading.counters(client, shards)
        told = [told for _, told in pulses(client)]
        return JSONResponse(
            {
                "now_us": time.time_ns() // 1000,
                "ready": found.owned == found.shards,
                "shards": found.shards,
                "owned": found.owned,
                **counted(sources.ward.now()),
                "lag_s": max((float(each["lag_s"]) for each in told), default=None),
                "windows": sum(totals[f"windows|{outcome}"] for outcome in ("scored", "rejected", "missing")),
                "model": _model_name(sources, sources.model.now(client)),
                "notice": RESEARCH_ONLY,
            }
        )

    @router.get("/api/model", response_model=answers.ModelCard)
    def model() -> JSONResponse:
        """The manifest of the model that the monitor uses."""
        manifest = sources.model.manifest(sources.model.now(sources.client))
        return JSONResponse({"notice": RESEARCH_ONLY, **manifest.model_dump(mode="json")})

    @router.get("/api/counters", response_model=dict[str, int])
    def counters() -> dict[str, int]:
        """What was counted, each in the same commit as what it counts."""
        return dict(sorted(reading.counters(sources.client, sources.shards).items()))

    return router


def _replica(name: str, told: dict[str, Any]) -> dict[str, Any]:
    return {"replica": name} | {key: told[key] for key in ("model", "shards", "patients", "lag_s", "refused")}


def _model_name(sources: Sources, in_use: InUse) -> dict[str, str]:
    """A summary is given even where the model's folder cannot be read here."""
    name, _, version = in_use.version.rpartition(":")
    try:
        manifest = sources.model.manifest(in_use)
    except SelfmisError:
        return {"name": name, "version": version, "trained_on": "", "lead": sources.settings.window.lead}
    return {
        "name": manifest.name,
        "version": manifest.version,
        "trained_on": manifest.trained_on,
        "lead": manifest.lead,
    }
