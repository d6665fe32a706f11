"""The HTTP API, put together: routes, each in a module named for what it is about, and the layers around them."""

from collections.abc import Callable

from fastapi import FastAPI

from services.inference.api import (
    alerts,
    audit_routes,
    commands,
    errors,
    fhir_routes,
    health,
    page,
    patients,
    score_route,
    scrape,
    strips,
)
from services.inference.api.access import Access, Gate
from services.inference.api.access_log import AccessLog
from services.inference.api.answers import Error
from services.inference.api.fhir_refusals import FhirRefusals
from services.inference.api.headers import SecurityHeaders
from services.inference.api.limits import Limits
from services.inference.api.sources import Sources, opened_once
from shared.redis.connection import Client
from shared.settings import Settings

REFUSALS: dict[int | str, dict[str, object]] = {
    status: {"model": Error, "description": what}
    for status, what in (
        (401, "no good token"),
        (403, "not with this token, or not from there"),
        (422, "a value is not as it must be"),
        (429, "too many requests"),
        (503, "Redis, or what else is needed, is not there"),
    )
}


def make_app(connected: Callable[[], Client], settings: Settings, folder: str, access: Access) -> FastAPI:
    """The application. ``connected`` is asked for a client when a request first needs one; the first is kept.

    ``folder``: the model's, where no replica of the monitor says which it uses.
    """
    sources = Sources(opened_once(connected), settings, folder)
    app = FastAPI(
        title="SelfMIS Monitor",
        description=health.RESEARCH_ONLY,
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
        redirect_slashes=False,
    )
    for router in (
        health.routes(sources),
        scrape.routes(sources),
        strips.routes(sources),
        alerts.routes(sources),
        audit_routes.routes(sources),
        commands.routes(sources),
        score_route.routes(sources),
        fhir_routes.routes(sources),
        patients.routes(sources),
        patients.last_routes(sources),
    ):
        app.include_router(router)
    page.mount(app)
    errors.install(app)
    # The last added is the outermost.
    app.add_middleware(Limits, settings=settings.api)
    app.add_middleware(Gate, access=access)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(errors.LastResort)
    app.add_middleware(FhirRefusals)
    app.add_middleware(AccessLog)
    return app
