"""Who may do what: bearer tokens with a role, or, without any, programs and pages of this machine alone.

An API without tokens answers on loopback only. Even there any page in a browser on this machine could reach it
under a name of its own (DNS rebinding) or post to it, hence the looks at ``Host`` and ``Origin``.
"""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.inference.api.errors import Refused, refusal
from shared.errors import SelfmisError
from shared.loopback import is_loopback
from shared.sections import ApiSettings

Role = Literal["view", "act"]
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
# What anybody may ask who reaches us: probes, and the console's page, which asks for the token itself.
_OPEN = frozenset({"/", "/healthz", "/readyz", "/favicon.ico"})
_OPEN_BELOW = "/console/"
_TO_ACT = frozenset({"/api/audit"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token's digest and what it lets do."""

    digest: bytes
    role: Role


@dataclass(frozen=True, slots=True)
class Access:
    """All tokens; none: whoever is on this machine may do everything."""

    tokens: tuple[Token, ...] = ()

    @classmethod
    def of(cls, settings: ApiSettings) -> "Access":
        """From the settings and the file that they name; refuses an unreadable one."""
        found = []
        for secret, role in ((settings.view_token, "view"), (settings.act_token, "act")):
            if secret is not None:
                found.append(Token(_digest(secret.get_secret_value()), role))  # type: ignore[arg-type]  # of two literals
        if settings.tokens_file is not None:
            found += _from_file(settings.tokens_file)
        return cls(tuple(found))

    def check_address(self, host: str) -> None:
        """Refuse to be open to others: ``host`` is what the API, or Serve's proxy before it, listens on."""
        if not self.tokens and not is_loopback(host):
            raise SelfmisError(
                f"the API would be open to everybody on {host}: set SELFMIS_API_ACT_TOKEN (and"
                " SELFMIS_API_VIEW_TOKEN or api.tokens_file), or bind to 127.0.0.1"
            )

    def role(self, given: str) -> Role | None:
        """What a token lets do; every known one is compared, so that the time taken says nothing."""
        digest, role = _digest(given), None
        for token in self.tokens:
            if hmac.compare_digest(digest, token.digest) and role != "act":
                role = token.role
        return role


class Gate:
    """Lets a request through with its role or refuses it: 401 without a good token, 403 for what it may not do."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            role = self._role(scope)
        except Refused as error:
            await refusal(error.status, str(error), error.headers)(scope, receive, send)
            return
        scope.setdefault("state", {})["access"] = (role, bool(self._access.tokens))
        await self._app(scope, receive, send)

    def _role(self, scope: Scope) -> Role:
        headers, path = Headers(scope=scope), scope["path"]
        if not self._access.tokens:
            _only_from_here(headers)
            return "act"
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            return "view"
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refused(401, "a bearer token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        role = self._access.role(given.strip())
        if role is None:
            wrong = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Refused(401, "the bearer token is wrong", wrong)
        if role == "view" and (scope["method"] not in _READING or path in _TO_ACT):
            raise Refused(403, "this token lets view, not act")
        return role


def role_of(request: Request) -> tuple[Role, bool]:
    """The role of a request that was let through, and whether tokens are needed."""
    found: tuple[Role, bool] = request.scope["state"]["access"]
    return found


def _only_from_here(headers: Headers) -> None:
    host = headers.get("host", "")
    if not is_loopback(_name(f"//{host}")):
        raise Refused(403, "an API without tokens answers under 127.0.0.1, [::1] and localhost only")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Refused(403, "an API without tokens takes nothing from pages of others")


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _from_file(path: Path) -> list[Token]:
    """Lines of a role and a token's SHA-256 in hexadecimal; ``#`` begins a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SelfmisError(f"api.tokens_file {path} cannot be read: {getattr(error, 'strerror', error)}") from None
    found = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        role, digest = words[0], words[-1].lower()
        if (
            len(words) != 2
            or role not in {"view", "act"}
            or len(digest) != 64
            or set(digest) - set("0123456789abcdef")
        ):
            raise SelfmisError(
                f"api.tokens_file {path}, line {number}: wants a role (view, act) and a SHA-256 in hex"
            )
        found.append(Token(bytes.fromhex(digest), "act" if role == "act" else "view"))
    return found
