"""Every refusal has one shape, whatever refused it: ``{"error": "one line"}`` and a fitting status.

A line never repeats what was sent: it may name a patient, and lines reach logs.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from traceback import extract_tb

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisClusterException, RedisError, ResponseError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import SelfmisError

log = logging.getLogger(__name__)
_FAULT = "this is a fault of the monitor's: its log says which"
_PHRASES = frozenset(status.phrase for status in HTTPStatus)


class Refused(SelfmisError):
    """A request that is refused with this status and line."""

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.headers = dict(headers or {})


def refusal(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer."""
    return JSONResponse({"error": " ".join(line.split())}, status_code=status, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Give every error of this application that shape."""

    @app.exception_handler(Refused)
    def refused(_request: Request, error: Refused) -> JSONResponse:
        return refusal(error.status, str(error), error.headers)

    @app.exception_handler(StarletteHTTPException)
    def http(_request: Request, error: StarletteHTTPException) -> JSONResponse:
        return refusal(error.status_code, _line(error.status_code, str(error.detail)), error.headers)

    @app.exception_handler(RequestValidationError)
    def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return refusal(422, f"{where}: {first['msg']}")

    def away(_request: Request, error: Exception) -> JSONResponse:
        if type(error) is ResponseError:  # it answers, and what it was asked makes no sense
            log.error("Redis refuses what a view asks: a fault of ours")
            return refusal(500, _FAULT)
        # What Redis says may repeat what it was sent, so only what kind of trouble it is.
        log.warning("Redis does not give what a view needs: %s", type(error).__name__)
        return refusal(503, "Redis does not answer", {"Retry-After": "2"})

    for kind in (RedisError, RedisClusterException, OSError):
        app.add_exception_handler(kind, away)

    @app.exception_handler(SelfmisError)
    def ours(_request: Request, error: SelfmisError) -> JSONResponse:
        log.warning("a view cannot be given: %s", error)
        return refusal(503, str(error), {"Retry-After": "2"})


def _line(status: int, said: str) -> str:
    """The framework's bare words, as a sentence."""
    if said not in _PHRASES:
        return said
    return {404: "there is nothing under this address", 405: "this address does not take that method"}.get(
        status, said.lower()
    )


class LastResort:
    """The outermost layer: a fault of ours becomes a 500 of one line, and a log entry without the error's words.

    The words may hold what was sent. Where an answer has begun it can only be cut off.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as fault:
            frames = extract_tb(fault.__traceback__)[-3:]
            where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
            log.error("a fault of ours: %s in %s", type(fault).__name__, where)
            if begun or scope["type"] != "http":
                raise
            await refusal(500, _FAULT)(scope, receive, send)
