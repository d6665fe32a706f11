"""The HTTP side of the gateway: the FastAPI application and the shape of all its answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.ingest.gateway.access import admit
from services.ingest.gateway.frame_json import FrameReader, JsonFrame
from services.ingest.gateway.intake import Intake, read_batch
from services.ingest.gateway.page import SECURITY, page
from services.ingest.gateway.refusal import Refusal
from services.ingest.gateway.stream import Stream
from shared.frames import Frames
from shared.sections import GatewaySettings

FRAMES, BATCH, STREAM = "/v1/frames", "/v1/batch", "/v1/stream"
ROUTES = frozenset({FRAMES, BATCH, STREAM, "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
JSON_TYPE, BATCH_TYPE = "application/json", "application/octet-stream"
DESCRIPTION = f"""Takes frames of single-lead ECG samples from devices and programs. Research use only, not a \
medical device.

A 2xx answer means: Redis has confirmed all frames of the request. Any other answer means: send it again or mend \
it; sending a frame twice is harmless. Errors are one JSON object: error (one line) and reason (a fixed word).

WebSocket {STREAM}: a text message is JSON as for POST {FRAMES}, a binary message is a record batch as for POST \
{BATCH}. Each is answered, in order, with ok, id (number of the message on this connection, from 1) and frames, \
or ok, id, status, error, reason and, where it applies, retry_after_s."""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Redis has confirmed all frames"},
    400: {"description": "the body is not JSON, or not a record batch"},
    401: {"description": "the bearer token is missing or wrong"},
    403: {"description": "sent by a web page, or under a foreign host name, to a gateway without a token"},
    408: {"description": "the body did not arrive in time"},
    409: {"description": "a session is said to have begun at another time than before"},
    413: {"description": "the body is too large, or holds too many frames"},
    415: {"description": "the body is of another content type, or compressed"},
    422: {"description": "a field of a frame is wrong; the error names frame and field"},
    429: {"description": "too many samples per second of one patient; Retry-After says when to go on"},
    503: {"description": "Redis or its consumers cannot take frames now; Retry-After says when to try again"},
}


@dataclass(slots=True)
class Gateway:
    """What the application needs. ``stopping`` is set when it should end its streams."""

    intake: Intake
    settings: GatewaySettings
    registry: CollectorRegistry
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    streams: set[Stream] = field(default_factory=set)


class Counted:
    """ASGI: counts answers by route and status; unknown paths are one route, so labels stay few."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""

        async def counting(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                route = scope["path"] if scope["path"] in ROUTES else "other"
                self._requests.labels(route, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counting)


def create_app(gateway: Gateway) -> FastAPI:
    """The application; it starts and stops nothing."""
    app = FastAPI(title="SelfMIS gateway", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    requests = Counter(
        "selfmis_ingest_gateway_requests",
        "Requests and WebSocket messages by route and status.",
        ["route", "code"],
        registry=gateway.registry,
    )
    app.add_middleware(Counted, requests=requests)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _fault)
    _add_intake(app, gateway, requests)
    _add_views(app, gateway)
    app.openapi = lambda: _spec(app)  # type: ignore[method-assign]  # the way FastAPI offers
    return app


def _add_intake(app: FastAPI, gateway: Gateway, requests: Counter) -> None:
    settings, intake = gateway.settings, gateway.intake
    reader = FrameReader(settings.max_frames)
    token = settings.token.get_secret_value() if settings.token is not None else None

    async def take(request: Request, kind: str, read: Callable[[bytes], list[Frames]]) -> Response:
        admit(request.headers, token)
        _check_type(request, kind)
        intake.check_ready()
        admitted = await intake.admit(read(await _body(request, settings)))
        await intake.confirmed(admitted)
        return JSONResponse({"ok": True, "frames": admitted.frames})

    frame = {"$ref": "#/components/schemas/Frame"}
    json_body = {"schema": {"anyOf": [frame, {"type": "array", "items": frame}]}}
    binary_body = {"schema": {"type": "string", "format": "binary"}}

    @app.post(FRAMES, responses=_ANSWERS, openapi_extra=_takes(JSON_TYPE, json_body))
    async def frames(request: Request) -> Response:
        """One frame, or a list of frames, as JSON."""
        return await take(request, JSON_TYPE, reader.read)

    @app.post(BATCH, responses=_ANSWERS, openapi_extra=_takes(BATCH_TYPE, binary_body))
    async def batch(request: Request) -> Response:
        """A binary record batch; a frame whose session_start_us is 0 gets its start from the gateway."""
        return await take(request, BATCH_TYPE, read_batch)

    @app.websocket(STREAM)
    async def stream(socket: WebSocket) -> None:
        try:
            admit(socket.headers, token)
        except Refusal as refusal:
            await socket.send_denial_response(_answer(refusal))
            return
        served = Stream(
            socket,
            intake,
            reader,
            gateway.stopping,
            settings.idle_timeout_s,
            lambda status: requests.labels(STREAM, status).inc(),
        )
        gateway.streams.add(served)
        try:
            await served.run()
        finally:
            gateway.streams.discard(served)

    @app.websocket("/{path:path}")
    async def no_stream(socket: WebSocket) -> None:
        await socket.send_denial_response(_answer(Refusal(404, "path", f"the WebSocket is at {STREAM}")))


def _add_views(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        """200 as long as the process answers."""
        return JSONResponse({"ok": True})

    @app.get("/readyz", responses={503: _ANSWERS[503]})
    async def readyz() -> Response:
        """200 while frames are taken: Redis answers and nothing holds them back."""
        gateway.intake.check_ready()
        return JSONResponse({"ok": True})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus metrics of this process."""
        return Response(generate_latest(gateway.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(page(app.openapi()), headers=SECURITY)


def _spec(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        spec = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        spec.setdefault("components", {}).setdefault("schemas", {})["Frame"] = JsonFrame.model_json_schema()
        app.openapi_schema = spec
    return app.openapi_schema


def _takes(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: body}}}


def _check_type(request: Request, kind: str) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise Refusal(415, "content_type", f"the body must be {kind}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "content_encoding", "the body must not be compressed")


async def _body(request: Request, settings: GatewaySettings) -> bytes:
    """The body, read no further than allowed, neither in bytes nor in time."""
    limit = settings.max_body_bytes
    too_large = Refusal(413, "body", f"a body holds at most {limit} bytes")
    # llhttp has refused a length that is no number.
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise Refusal(408, "body", "the body did not arrive in time", headers={"Connection": "close"}) from None
    return bytes(body)


def _answer(refusal: Refusal) -> JSONResponse:
    return JSONResponse(refusal.body(), refusal.status, refusal.headers)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - registered for it
    return _answer(error)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    reason = {404: "path", 405: "method"}.get(error.status_code, "http")
    text = HTTPStatus(error.status_code).phrase.lower()
    return _answer(Refusal(error.status_code, reason, f"{text}: see /docs", headers=error.headers))


async def _left(_request: Request, _error: Exception) -> Response:
    # Nobody reads this; it only gives the metrics their status.
    return _answer(Refusal(400, "disconnected", "the client left before its body was complete"))


async def _fault(_request: Request, _error: Exception) -> Response:
    # The server logs the fault; the client learns no more than that it was not its own.
    return _answer(Refusal(500, "fault", "a fault of the gateway; its log says more"))
