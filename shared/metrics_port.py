"""`/metrics` on a port of its own, for a process that serves nothing else over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from shared.errors import SelfmisError


@contextmanager
def served(registry: CollectorRegistry, host: str, port: int, *, setting: str) -> Iterator[None]:
    """``/metrics`` on a port while the block runs; port 0 means: not wanted. ``setting``: what names the port.

    Refuses (`SelfmisError`) a port that cannot be used.
    """
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise SelfmisError(
            f"metrics port {host}:{port} cannot be used: {error.strerror}; set {setting} (0: no metrics)"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
