"""The audit, for whoever may act."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.inference.api import answers, audit
from services.inference.api.errors import Refused
from services.inference.api.patient_json import as_json
from services.inference.api.patients import JSON, Limit, may_be
from services.inference.api.sources import Sources


def routes(sources: Sources) -> APIRouter:
    """Audit."""
    router = APIRouter(prefix="/api", tags=["audit"])

    @router.get("/audit", response_model=answers.Audit)
    def audited(limit: Limit = 100, patient: Annotated[str, Query(max_length=32)] = "") -> Response:
        """Who asked for what, and what came of it; newest first."""
        if patient and not may_be(patient):
            raise Refused(422, "query.patient: a patient's name is 1 to 32 bytes without controls")
        if patient:
            found = audit.of_patient(sources.client, sources.shards, patient, limit)
        else:
            found = audit.newest(sources.client, sources.shards, limit)
        return Response(as_json({"audit": found}), media_type=JSON)

    return router
