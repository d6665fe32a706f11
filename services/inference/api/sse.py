"""Server-sent events: how they are written, and an answer that never ends by itself.

The format is that of the WHATWG's HTML standard, "Server-sent events". A stream ends when the client goes, when it
does not take what is sent, or when its source ends; whatever ends it, the source is closed.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.inference.api.errors import Refused

HEARTBEAT_S = 15.0
HEARTBEAT = b": still here\n\n"
_SEND_WITHIN_S = 30.0


def event(name: str, data: bytes, id_: str = "") -> bytes:
    r"""One event; ``data`` is one line.

    >>> event("alert", b"{}", "x")
    b'event: alert\nid: x\ndata: {}\n\n'
    """
    id_line = f"id: {id_}\n".encode() if id_ else b""
    return b"event: " + name.encode() + b"\n" + id_line + b"data: " + data + b"\n\n"


class Streams:
    """How many streams this process carries; ``most`` at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 0

    def enter(self) -> None:
        """One more, or a refusal."""
        if self.open >= self._most:
            raise Refused(503, "too many streams are open here", {"Retry-After": "10"})
        self.open += 1

    def leave(self) -> None:
        """One less."""
        self.open -= 1


class EventStream(Response):
    """Sends what ``events`` yields until it ends or nobody listens; then ``left`` is called once."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], left: Callable[[], None]) -> None:
        super().__init__(None, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events, self._left = events, left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole life of the stream."""
        del scope
        tasks = {asyncio.create_task(self._pump(send)), asyncio.create_task(_gone(receive))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (OSError, TimeoutError):
            return  # it does not listen, or not any more
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(RuntimeError):  # cancelled before it began
                await self._events.aclose()
            self._left()

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for part in self._events:
            message = {"type": "http.response.body", "body": part, "more_body": True}
            await asyncio.wait_for(send(message), _SEND_WITHIN_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
