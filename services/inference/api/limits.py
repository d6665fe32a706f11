"""How much one caller may ask, and how large a request may be."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.inference.api.errors import refusal
from shared.sections import ApiSettings

UPLOAD = "/api/score"
_BODY_WITHIN_S = 30.0
_CALLERS = 10_000
_TOO_LARGE = "the request's body is too large"


class Rates:
    """A bucket of tokens for each caller, of whom the most recent are remembered: bounded, whoever comes."""

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock = per_s, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> bool:
        """Whether this caller may ask once more now."""
        now = self._clock()
        left, since = self._left.pop(caller, (2 * self._per_s, now))
        left = min(2 * self._per_s, left + (now - since) * self._per_s)
        allowed = left >= 1
        self._left[caller] = (left - allowed, now)
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        return allowed


class Limits:
    """Refuses callers who ask too often (429) and bodies that are too large (413) or too slow (408)."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app, self._settings = app, settings
        self._rates = Rates(settings.requests_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._rates.take(_caller(scope, headers)):
            await refusal(429, "too many requests: wait a second", {"Retry-After": "1"})(scope, receive, send)
            return
        most = self._settings.max_upload_bytes if scope["path"] == UPLOAD else self._settings.max_body_bytes
        stated = headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated) > most:
            await refusal(413, f"{_TOO_LARGE}: at most {most} bytes")(scope, receive, send)
            return
        await self._app(scope, _counted(receive, most), send)


def _counted(receive: Receive, most: int) -> Receive:
    size, ended = 0, False

    async def counted() -> Message:
        nonlocal size, ended
        if ended:  # only the end of the connection may follow, whenever it comes
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), _BODY_WITHIN_S)
        except TimeoutError:
            raise HTTPException(408, "the request's body did not arrive in time") from None
        size += len(message.get("body", b""))
        ended = not message.get("more_body", False)
        if size > most:
            raise HTTPException(413, f"{_TOO_LARGE}: at most {most} bytes")
        return message

    return counted


def _caller(scope: Scope, headers: Headers) -> str:
    """A token where there is one, else the address."""
    token = headers.get("authorization")
    client = scope.get("client")
    return token or (client[0] if client else "")
