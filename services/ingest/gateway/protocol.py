"""Limits that lie below a request: how long and how large its header may be, how long a refused body lingers.

uvicorn waits for a header forever and reads headers of any size; here both are bounded. Its own answers
to what is no HTTP get the gateway's shape.
"""

import asyncio
import json
from asyncio import TimerHandle

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

# The WebSocket library takes lines of 8 KiB and 128 headers; with these it never meets more.
MAX_HEADER_BYTES, MAX_HEADERS = 8000, 100
# After an early refusal the rest of the body is read and thrown away, so that the answer can be read.
LINGER_S = 2.0


class HeaderTooLarge(Exception):
    """Ends the parsing of a request."""


def _plain_answer(status: int, reason: str, text: str) -> bytes:
    body = json.dumps({"error": text, "reason": reason}).encode()
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[status] + head + body


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol with bounds. A class of its own per gateway sets ``header_timeout_s``."""

    header_timeout_s = 10.0
    _timer: TimerHandle | None = None
    _receiving = False
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._arm(self.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._receiving, self._header_bytes = True, 0
        self._arm(self.header_timeout_s)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._receiving = False
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._receiving:
            self._arm(LINGER_S)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text says no more
        self.transport.write(_plain_answer(400, "http", "this is no HTTP request the gateway understands"))
        self.transport.close()

    def _should_upgrade(self) -> bool:
        # The WebSocket library fails on any other method with an assertion.
        return bool(self.parser.get_method() == b"GET" and super()._should_upgrade())

    def _unsupported_upgrade_warning(self) -> None:
        # The parser reads nothing after a request that asked for another protocol.
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES or len(self.headers) >= MAX_HEADERS:
            raise HeaderTooLarge

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class SteadyWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which waits for a handshake forever and fails by assertion on a bad one."""

    handshake_timeout_s = 10.0
    _timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.handshake_timeout_s, self._refuse, 408)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        self._disarm()
        super().handle_connect(event)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:
            self._refuse(400)
            return
        super().handle_parser_exception()

    def _refuse(self, status: int) -> None:
        self.transport.write(_plain_answer(status, "websocket", "this is no WebSocket handshake"))
        self.transport.close()
