"""Real servers and real sockets for the tests of the way to Redis."""

import contextlib
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def other_redis() -> Path:
    """A redis-server that somebody else installed, usually newer and with TLS."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server on PATH; only the embedded one is tested")
    return Path(found)


class Relay:
    """A TCP relay to a local port that can speak TLS to its clients and can lose replies.

    With `lose(b"INCR")` the next request holding those bytes is passed on and executed; its
    reply is thrown away and the connection closed, as when a network breaks at the worst moment.
    """

    def __init__(self, target: int, context: ssl.SSLContext | None) -> None:
        self.target, self.context = target, context
        self.to_lose: bytes | None = None
        self.losses_left = 0
        self.lost = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, request: bytes, times: int = 1) -> None:
        self.to_lose, self.losses_left = request, times

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end of the test
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self.context is not None:
                near = self.context.wrap_socket(near, server_side=True)
            stack.enter_context(near)
            far = stack.enter_context(socket.create_connection(("127.0.0.1", self.target)))
            self.sockets += [near, far]
            # Request, then its whole reply: enough for a client that never has two in flight.
            while request := near.recv(1 << 16):
                far.sendall(request)
                reply = far.recv(1 << 16)
                if self.losses_left and self.to_lose is not None and self.to_lose in request:
                    self.losses_left -= 1
                    self.lost += 1
                    return
                near.sendall(reply)

    def close(self) -> None:
        for open_socket in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()


@pytest.fixture
def relay_to() -> Iterator[Callable[..., Relay]]:
    relays: list[Relay] = []

    def make(target: int, context: ssl.SSLContext | None = None) -> Relay:
        relays.append(Relay(target, context))
        return relays[-1]

    yield make
    for relay in relays:
        relay.close()
