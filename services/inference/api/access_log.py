"""One line a request: method, route, status, time. The route's template, not the address: that names patients."""

import logging
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
_CONSOLE = "/console/"


class AccessLog:
    """Logs at INFO when an answer is complete."""

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = self._clock(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            took_ms = (self._clock() - begun) * 1000
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            log.info("%s %s %d %.0f ms", method, template(scope), status, took_ms)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def template(scope: Scope) -> str:
    """The route that a request took, such as ``/api/patients/{patient}``; ``-`` where it took none."""
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path_format", "-"))
    return f"{_CONSOLE}*" if scope["path"].startswith(_CONSOLE) else "-"
