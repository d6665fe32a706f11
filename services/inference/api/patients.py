"""Who is watched and how they are: list, one, trend."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.inference.alarms import Status
from services.inference.api import answers
from services.inference.api.audit import of_patient
from services.inference.api.errors import Refused
from services.inference.api.patient_json import as_json, mutes_view
from services.inference.api.sources import Sources
from services.inference.api.trend import read_trend
from services.inference.api.ward import Wanted, Ward, read_patient
from shared.frames import FrameError, patient_bytes

MOST = 1000
AUDIT_SHOWN = 20
JSON = "application/json"
Limit = Annotated[int, Query(ge=1, le=MOST, description="how many at most")]
Microseconds = Annotated[int, Query(ge=0, lt=2**62, description="microseconds since 1970")]
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": answers.Error, "description": "no such patient"}}


def routes(sources: Sources) -> APIRouter:
    """Patients."""
    router = APIRouter(prefix="/api/patients", tags=["patients"])

    @router.get("", response_model=answers.Patients)
    def patients(
        limit: Limit = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        search: Annotated[str, Query(max_length=64, description="part of a patient's or device's name")] = "",
        sort: Literal["risk", "name"] = "risk",
        status: Literal["admitted", "standby", "discharged"] | None = None,
        alarm: Literal["mi", "technical"] | None = None,
    ) -> Response:
        """Everybody, a page at a time: MI alarms first, by priority, then by any-MI; or by name."""
        ward, age_s = sources.ward.aged()
        wanted = Wanted(search, None if status is None else Status[status.upper()], alarm or "", sort == "name")
        rows = ward.rows(wanted)
        page = ward.views(rows[offset : offset + limit])
        answer = {"total": len(rows), "offset": offset, "age_ms": math.ceil(age_s * 1000), "patients": page}
        return Response(as_json(answer), media_type=JSON)

    @router.get("/{patient:path}/trend", response_model=answers.Trend, responses=UNKNOWN)
    def trend(
        patient: str,
        since_us: Microseconds = 0,
        points: Annotated[int, Query(ge=1, le=10_000, description="how many of the newest at most")] = 1000,
    ) -> Response:
        """How quality and scores went, oldest first."""
        one(sources, patient)
        found = read_trend(sources.client, sources.shards, patient.encode(), since_us, points)
        return Response(as_json({"patient": patient, "points": found}), media_type=JSON)

    return router


def last_routes(sources: Sources) -> APIRouter:
    """One patient: after all that have more in their address, because a name may hold slashes."""
    router = APIRouter(prefix="/api/patients", tags=["patients"])

    @router.get("/{patient:path}", response_model=answers.PatientDetail, responses=UNKNOWN)
    def patient(patient: str) -> Response:
        """One patient: newest window, scores, alarms in force, known findings, newest commands."""
        ward = one(sources, patient)
        (view,) = ward.views(np.zeros(1, np.intp))
        view["mutes"] = mutes_view(ward.standing(patient))
        view["audit"] = of_patient(sources.client, sources.shards, patient, AUDIT_SHOWN)
        return Response(as_json(view), media_type=JSON)

    return router


def one(sources: Sources, patient: str) -> Ward:
    """A ward of this patient; 404 where nobody is so called."""
    ward = read_patient(sources.client, sources.shards, patient) if may_be(patient) else None
    if ward is None:
        raise Refused(404, "no such patient")
    return ward


def may_be(patient: str) -> bool:
    """Whether somebody could be so called."""
    try:
        patient_bytes(patient)
    except FrameError:
        return False
    return True
