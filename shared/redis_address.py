"""Where a Redis is, read from one URL: pure, so that a mistake in it is named before anything connects.

    redis://[user:password@]host[:port][/db]        TCP
    rediss://…?ssl_ca_certs=ca.pem                  TLS
    unix://[user:password@]/path/redis.sock[?db=0]  socket file on this machine
    redis+cluster://host[:port]                     Redis Cluster, any of its nodes
    rediss+cluster://host[:port]                    the same over TLS

User, password and path are percent-decoded. The options after ``?`` are those that every
one of redis-py's four clients honours; others are refused, because redis-py ignores some
silently and takes others as text (``decode_responses=false`` would switch decoding *on*).
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.errors import SelfmisError
from shared.sections import REDIS_SCHEMES
from shared.settings import shown

DEFAULT_PORT = 6379
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_OPTIONS = ("db", "username", "password", "client_name")
_CERT_REQS = ("none", "optional", "required")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class RedisUrlError(SelfmisError):
    """A Redis URL that means nothing."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis server or cluster. ``shown`` is the URL without its secrets, for people."""

    shown: str
    host: str
    port: int
    path: str | None
    db: int
    cluster: bool
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: tuple[tuple[str, str | bool], ...] = ()

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        """The address behind ``url``, or `RedisUrlError` naming what is wrong with it."""
        name = shown(url)
        if url.partition("://")[0] not in REDIS_SCHEMES:
            schemes = ", ".join(f"{s}://" for s in REDIS_SCHEMES)
            raise RedisUrlError(f"Redis URL {name} must start with one of {schemes}")
        if any(mark in url.partition("://")[2].rpartition("@")[0] for mark in "/?#"):
            # Else urlsplit would take part of the password for a port, a path or an option, and an error show it.
            raise RedisUrlError(f"Redis URL {name} has a / ? or # before its last @: percent-encode it")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise RedisUrlError(f"Redis URL {name} has an impossible host or port") from None
        cluster, unix, tls = parts.scheme.endswith("+cluster"), parts.scheme == "unix", "rediss" in parts.scheme
        options = _options(name, parts.query, tls=tls)
        path = unquote(parts.path)
        if unix and not path:
            raise RedisUrlError(f"Redis URL {name} lacks the path of a socket: unix:///path/redis.sock")
        if not unix and not parts.hostname:
            raise RedisUrlError(f"Redis URL {name} lacks a host: {parts.scheme}://host:{DEFAULT_PORT}")
        db = _database(name, options.pop("db", None), "" if unix else path.strip("/"))
        if cluster and db:
            raise RedisUrlError(f"Redis URL {name} asks for database {db}, but a cluster only has database 0")
        in_query = {key: options.pop(key, None) for key in ("username", "password")}
        return cls(
            shown=name,
            host=parts.hostname or "",
            port=port or DEFAULT_PORT,
            path=path if unix else None,
            db=db,
            cluster=cluster,
            tls=tls,
            username=unquote(parts.username or "") or in_query["username"],
            password=unquote(parts.password or "") or in_query["password"],
            extra=tuple(_value(name, key, text) for key, text in options.items()),
        )

    def arguments(self) -> dict[str, Any]:
        """What redis-py's clients want to know about the place (not about time-outs or retries)."""
        arguments: dict[str, Any] = {"username": self.username, "password": self.password, **dict(self.extra)}
        if self.tls:
            arguments["ssl"] = True
        if self.path is not None:
            return arguments | {"unix_socket_path": self.path, "db": self.db}
        arguments |= {"host": self.host, "port": self.port}
        return arguments if self.cluster else arguments | {"db": self.db}


def _options(name: str, query: str, *, tls: bool) -> dict[str, str]:
    allowed = _OPTIONS + (_TLS_OPTIONS if tls else ())
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options:
        if key not in allowed:
            why = "needs rediss://" if key in _TLS_OPTIONS else f"is none of {', '.join(allowed)}"
            raise RedisUrlError(f"option {key} in Redis URL {name} {why}")
    return options


def _database(name: str, option: str | None, path: str) -> int:
    text = option if option is not None else path
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise RedisUrlError(f"Redis URL {name} names database {text!r:.40}, which is not a number of one")
    return int(text)


def _value(name: str, key: str, text: str) -> tuple[str, str | bool]:
    if key == "ssl_check_hostname":
        if text.lower() not in _BOOLEANS:
            raise RedisUrlError(f"option {key} in Redis URL {name} must be true or false, not {text!r}")
        return key, _BOOLEANS[text.lower()]
    if key == "ssl_cert_reqs" and text not in _CERT_REQS:
        raise RedisUrlError(f"option {key} in Redis URL {name} must be one of {', '.join(_CERT_REQS)}")
    return key, text
