"""Who may hand in frames: whoever has the token; without one, programs on this machine but no web page.

A gateway without a token listens on loopback only, yet any page in a browser on that machine can open a
WebSocket to it, or reach it under a name of its own (DNS rebinding). Hence the looks at ``Origin`` and ``Host``.
"""

import hmac
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from services.ingest.gateway.refusal import Refusal
from shared.errors import SelfmisError
from shared.loopback import is_loopback

_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def listener(host: str, port: int, *, has_token: bool) -> socket.socket:
    """A listening socket on ``host``; refuses an address that others can reach when there is no token."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SelfmisError(f"gateway address {host} is unknown: {error.strerror}; set gateway.host") from None
    if not has_token and not is_loopback(str(address[0])):
        raise SelfmisError(
            f"gateway address {host} can be reached from outside: set a token (SELFMIS_GATEWAY_TOKEN),"
            " or bind to 127.0.0.1"
        )
    try:
        return socket.create_server((address[0], address[1]), family=family, backlog=1024)
    except OSError as error:
        raise SelfmisError(
            f"gateway port {host}:{port} cannot be used: {error.strerror}; set gateway.port"
        ) from None


def admit(headers: Mapping[str, str], token: str | None) -> None:
    """Let a request pass or raise `Refusal`: 401 without the right token, 403 for what a browser sends."""
    if token is None:
        _refuse_browsers(headers)
        return
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Refusal(401, "token", "a bearer token is required: Authorization: Bearer ...", headers=_CHALLENGE)
    # Bytes: compare_digest takes no text beyond ASCII, and what comes in a header may be anything.
    if not hmac.compare_digest(given.strip().encode(), token.encode()):
        wrong = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Refusal(401, "token", "the bearer token is wrong", headers=wrong)


def _refuse_browsers(headers: Mapping[str, str]) -> None:
    if "origin" in headers:
        raise Refusal(403, "origin", "web pages may not send frames to a gateway without a token")
    host = headers.get("host")
    if host is not None and not is_loopback(_name(host)):
        raise Refusal(403, "host", "a gateway without a token answers under 127.0.0.1, [::1] and localhost only")


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
