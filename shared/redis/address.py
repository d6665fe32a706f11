"""Where a Redis is, read from one URL: pure, so that a mistake in it is named before anything connects.

    redis://[user:password@]host[:port][/db]        TCP
    rediss://…?ssl_ca_certs=ca.pem                  TLS
    unix://[user:password@]/path/redis.sock[?db=0]  socket file on this machine
    redis+cluster://host[:port]                     Redis Cluster, any of its nodes
    rediss+cluster://host[:port]                    the same over TLS
    redis+sentinel://host[:port][,host…]/name       the master that these Sentinels watch by that name
    rediss+sentinel://host[:port][,host…]/name      the same over TLS, to the Sentinels too

User, password and path are percent-decoded. The options after ``?`` are those that every
one of redis-py's clients honours, and of Sentinels the password; others are refused, because redis-py ignores
some silently and takes others as text (``decode_responses=false`` would switch decoding *on*).
"""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from shared.errors import SelfmisError
from shared.sections import REDIS_SCHEMES
from shared.settings import shown

DEFAULT_PORT, DEFAULT_SENTINEL_PORT = 6379, 26379
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_OPTIONS = ("db", "username", "password", "client_name")
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
_CERT_REQS = ("none", "optional", "required")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class RedisUrlError(SelfmisError):
    """A Redis URL that means nothing."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis server or cluster, or those who know where it is now. ``shown``: the URL without its secrets.

    ``sentinels``: where they listen, by `ask_sentinels`; the server is then the master that they call ``service``.
    """

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
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

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
        watched = url.partition("://")[0].endswith("+sentinel")
        try:
            url, hosts = _hosts(url) if watched else (url, [])
            parts = urlsplit(url)
            port = parts.port
            sentinels = tuple((each.hostname or "", each.port or DEFAULT_SENTINEL_PORT) for each in hosts)
        except ValueError:
            raise RedisUrlError(f"Redis URL {name} has an impossible host or port") from None
        cluster, unix, tls = parts.scheme.endswith("+cluster"), parts.scheme == "unix", "rediss" in parts.scheme
        options = _options(name, parts.query, tls=tls, watched=watched)
        path = unquote(parts.path)
        if unix and not path:
            raise RedisUrlError(f"Redis URL {name} lacks the path of a socket: unix:///path/redis.sock")
        if not all(host for host, _ in sentinels) or not (unix or parts.hostname):
            example = f"host:{DEFAULT_SENTINEL_PORT}/name" if watched else f"host:{DEFAULT_PORT}"
            raise RedisUrlError(f"Redis URL {name} lacks a host: {parts.scheme}://{example}")
        if watched and not path.strip("/"):
            raise RedisUrlError(f"Redis URL {name} lacks the master's name: {parts.scheme}://host:port/name")
        if watched and "/" in path.strip("/"):
            raise RedisUrlError(f"Redis URL {name} has more than a name in its path; write a database as ?db=0")
        db = _database(name, options.pop("db", None), "" if unix or watched else path.strip("/"))
        if cluster and db:
            raise RedisUrlError(f"Redis URL {name} asks for database {db}, but a cluster only has database 0")
        in_query = {key: options.pop(key, None) for key in ("username", "password", *_SENTINEL_OPTIONS)}
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
            sentinels=sentinels,
            service=path.strip("/") if watched else "",
            sentinel_username=in_query["sentinel_username"],
            sentinel_password=in_query["sentinel_password"],
        )

    def arguments(self) -> dict[str, Any]:
        """What redis-py's clients want to know about the place (not about time-outs or retries)."""
        arguments: dict[str, Any] = {"username": self.username, "password": self.password, **dict(self.extra)}
        if self.tls:
            arguments["ssl"] = True
        if self.path is not None:
            return arguments | {"unix_socket_path": self.path, "db": self.db}
        if not self.sentinels:
            arguments |= {"host": self.host, "port": self.port}
        return arguments if self.cluster else arguments | {"db": self.db}

    def ask_sentinels(self) -> dict[str, Any]:
        """What redis-py wants to know about the way to the Sentinels, beside where they are."""
        arguments = {name: value for name, value in self.arguments().items() if name.startswith("ssl")}
        return arguments | {"username": self.sentinel_username, "password": self.sentinel_password}


def _hosts(url: str) -> tuple[str, list[SplitResult]]:
    """The URL with the first of its hosts only, for `urlsplit`; and all its hosts."""
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    hosts = re.split("[/?#]", place, maxsplit=1)[0]
    first, *others = hosts.split(",")
    return f"{scheme}://{user}{at}{first}{place[len(hosts) :]}", [
        urlsplit(f"//{host}") for host in (first, *others)
    ]


def _options(name: str, query: str, *, tls: bool, watched: bool) -> dict[str, str]:
    allowed = _OPTIONS + (_TLS_OPTIONS if tls else ()) + (_SENTINEL_OPTIONS if watched else ())
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
