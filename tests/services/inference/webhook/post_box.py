"""A real HTTP receiver whose behaviour a test chooses, and alerts for it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from services.inference.alarms.alert import Alert
from services.inference.webhook.signing import HEADER, verified
from shared.redis.connection import Client
from shared.shards import ALERT_BODY, ALERT_ID, alerts_key

SECRET = "a-secret-of-some-length"
SHARDS = 3


@dataclass
class PostBox:
    """What came. ``answer``: status for the n-th request, given its key; may take its time."""

    answer: Callable[[int, str], int] = lambda _number, _key: 204
    port: int = 0
    keys: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)
    forged: int = 0
    elsewhere: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    def take(self, request: BaseHTTPRequestHandler) -> int:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        key = request.headers["Idempotency-Key"]
        with self._lock:
            self.keys.append(key)
            number = len(self.keys)
            self.forged += not verified(SECRET, body, request.headers[HEADER], time.time())
            self.elsewhere += request.path != "/alerts"
        status = self.answer(number, key)
        if 200 <= status < 300:
            with self._lock:
                self.taken.append(key)
                self.bodies.append(json.loads(body))
        return status


@contextmanager
def open_box(box: PostBox) -> Iterator[PostBox]:
    """Listen at the box' port, a free one at first; opened again it listens where it did."""

    class Slot(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = box.take(self)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

        def handle(self) -> None:
            # A sender that was killed, or has waited long enough.
            with suppress(BrokenPipeError, ConnectionResetError):
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
            with suppress(OSError):
                super().shutdown_request(request)

    server = Server(("127.0.0.1", box.port), Slot)
    box.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def commit(client: Client, number: int, transition: str = "began") -> str:
    """An alert as a commit appends it; its idempotency key."""
    alert = Alert(
        id=f"{number:032x}", alarm="0" * 32, patient=f"p{number}", kind="mi", transition=transition,
        cause="evidence", phase="raised", priority="high", type="IMI", time_us=1, began_us=1, session=1, window=1,
    )  # fmt: skip
    entry = {ALERT_ID: alert.id, ALERT_BODY: alert.to_json()}
    client.xadd(alerts_key(number % SHARDS), entry)  # type: ignore[arg-type]  # of bytes, as it takes them
    return f"{alert.id}-{transition}"
