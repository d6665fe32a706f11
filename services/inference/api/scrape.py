"""The route `/metrics`: what Prometheus scrapes. Any replica answers the same."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.inference.api.sources import Sources
from services.inference.metrics import MonitorCollector, exposition
from shared.artefact import Manifest


def routes(sources: Sources) -> APIRouter:
    """That one route. A token that lets view opens it, where tokens are needed."""
    router = APIRouter()

    def manifest() -> Manifest:
        return sources.model.manifest(sources.model.now(sources.client))

    collector = MonitorCollector(sources.connected, sources.shards, manifest)

    @router.get("/metrics", response_class=Response)
    def metrics(request: Request) -> Response:
        """Prometheus metrics of the whole monitor: text, or OpenMetrics where asked for."""
        body, content_type = exposition(collector, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    return router
