"""The one way to Redis: `connect` and, for asyncio, `connect_async`.

Both talk to the server before they return, so that whatever is wrong with the place, the
password or the server is one line at start-up (`RedisUnavailable`) and not a traceback later.

**Lost replies.** When a connection breaks after a command was sent, nobody knows whether
the server executed it. redis-py's default is to send it again, so an ``INCR`` or ``EVAL``
may count twice. Here the caller chooses: ``resend=True`` (default) is for reads and
for writes that may happen twice; ``resend=False`` is for commits: the command is sent
once, and a lost reply raises. The caller then finds out by reading what is stored.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis.asyncio
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.sentinel
from redis import Redis, RedisCluster
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.backoff import AbstractBackoff, EqualJitterBackoff, NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - redis-py's own, which is not the built-in
    InvalidResponse,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - redis-py's own, which is not the built-in
)
from redis.retry import Retry

from shared.errors import SelfmisError
from shared.redis import sentinels
from shared.redis.address import RedisAddress
from shared.redis.server import ServerInfo

Client = Redis | RedisCluster
AsyncClient = AsyncRedis | AsyncRedisCluster

# Twice more, after 0.1 to 0.2 s and 0.2 to 0.4 s; redis-py repeats both the connecting and the
# command, so together they ride out a restart of a small server (over a second), not an outage.
_RESENDS = 2
_BACKOFF = EqualJitterBackoff(base=0.1, cap=1.0)
# An idle connection is asked whether it lives before it is used; middleboxes drop silent ones.
_HEALTH_CHECK_S = 30


class RedisUnavailable(SelfmisError):
    """Redis cannot be used: not reached, not allowed, or not the server we need."""


def connect(
    url: str, *, timeout_s: float = 5.0, resend: bool = True, on_connect: Callable[[str], None] | None = None
) -> Client:
    """A client for ``url`` that has answered and will do; `RedisUnavailable` or `RedisUrlError` otherwise.

    Replies are bytes. ``timeout_s`` bounds connecting and each reply, so a blocking read must
    ask for less. ``resend`` is explained above. Costs two round trips. The client may be
    shared by threads; its owner closes it. ``on_connect`` is told, of every new connection, also those that
    redis-py makes silently later, which `incarnation` of which server is at the other end, before the
    connection carries anything; what it raises (a redis-py error) keeps the connection from being used, and
    so does a server that has become a replica.
    """
    address = RedisAddress.parse(url)
    with _explained(address):
        client = _client(address, timeout_s, on_connect)
        try:
            _check(address, server_info(client))
        except BaseException:
            client.close()
            raise
        if resend:
            client.set_retry(Retry(_BACKOFF, _RESENDS))
        return client


async def connect_async(url: str, *, timeout_s: float = 5.0, resend: bool = True) -> AsyncClient:
    """`connect` for asyncio: the client belongs to the running loop; its owner awaits ``aclose()``."""
    address = RedisAddress.parse(url)
    with _explained(address):
        client = _async_client(address, timeout_s)
        try:
            _check(address, await server_info_async(client))
        except BaseException:
            await client.aclose()
            raise
        if resend:
            client.set_retry(_async_retry(_BACKOFF, _RESENDS))
        return client


def server_info(client: Client, *, key: str | bytes = b"selfmis") -> ServerInfo:
    """What the server says about itself; in a cluster, the master that holds ``key``."""
    if isinstance(client, RedisCluster):
        node = client.get_node_from_key(_text(key))  # type: ignore[no-untyped-call]  # redis-py left it untyped
        return ServerInfo.parse(client.info(target_nodes=node))
    return ServerInfo.parse(client.info())


def master_infos(client: Client) -> list[ServerInfo]:
    """`server_info` of every server that takes writes: the one, or the masters of a cluster."""
    if isinstance(client, RedisCluster):
        masters = client.get_primaries()  # type: ignore[no-untyped-call]  # redis-py left it untyped
        return [ServerInfo.parse(client.info(target_nodes=node)) for node in masters]
    return [server_info(client)]


async def server_info_async(client: AsyncClient, *, key: str | bytes = b"selfmis") -> ServerInfo:
    """`server_info` for asyncio."""
    if isinstance(client, AsyncRedisCluster):
        await client.initialize()
        return ServerInfo.parse(await client.info(target_nodes=client.get_node_from_key(_text(key))))
    return ServerInfo.parse(await client.info())


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what redis-py raises inside the block into `RedisUnavailable`: for the edge of a command."""
    with _explained(RedisAddress.parse(url)):
        yield


def _client(address: RedisAddress, timeout_s: float, on_connect: Callable[[str], None] | None) -> Client:
    arguments = _arguments(address, timeout_s)
    if on_connect is not None:
        arguments["redis_connect_func"] = _met_first(on_connect, cluster=address.cluster)
    arguments["retry"] = Retry(NoBackoff(), 0)
    if address.cluster:
        return RedisCluster(**arguments)
    arguments["health_check_interval"] = _HEALTH_CHECK_S
    if address.sentinels:
        return sentinels.master(address, timeout_s, arguments)
    return Redis(**arguments)


def _met_first(on_connect: Callable[[str], None], *, cluster: bool) -> Callable[[Any], None]:
    """What redis-py runs on a fresh connection: its own greeting, then ours."""

    def greet(connection: Any) -> None:
        if not cluster:  # a cluster's connections have been greeted when this is called
            connection.on_connect()
        told: dict[str, str] = {}
        for section in ("server", "replication"):  # Redis 6.2 takes one at a time
            connection.send_command("INFO", section)
            lines = connection.read_response().decode().splitlines()
            told |= {name: value for name, _, value in (line.partition(":") for line in lines)}
        if not cluster and told["role"] != "master":
            raise ConnectionError(f"it is a replica now, of {told['master_host']}:{told['master_port']}")
        on_connect(incarnation(told))

    return greet


def incarnation(told: Mapping[str, str]) -> str:
    """Which life of which master a server's ``INFO`` tells of. What another one confirmed, this one may not have.

    A server that starts has another run id. One that was demoted, and so took over its master's data, and is
    promoted again has the run id that it had, but another replication id.
    """
    return f"{told['run_id']}/{told['master_replid']}"


def _async_client(address: RedisAddress, timeout_s: float) -> AsyncClient:
    arguments = _arguments(address, timeout_s) | {"health_check_interval": _HEALTH_CHECK_S}
    arguments["retry"] = _async_retry(NoBackoff(), 0)
    if address.cluster:
        return AsyncRedisCluster(**arguments)
    if address.sentinels:
        return sentinels.async_master(address, timeout_s, arguments)
    return AsyncRedis(**arguments)


def _arguments(address: RedisAddress, timeout_s: float) -> dict[str, Any]:
    return address.arguments() | {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "socket_keepalive": True,
        "decode_responses": False,
        # Fixed, so that the shape of a reply depends neither on redis-py's version nor on the server's.
        "protocol": 2,
    }


def _async_retry(backoff: AbstractBackoff, retries: int) -> redis.asyncio.retry.Retry:
    return redis.asyncio.retry.Retry(backoff, retries)


def _check(address: RedisAddress, info: ServerInfo) -> None:
    refusal = info.refusal(as_cluster=address.cluster)
    if refusal is not None:
        raise RedisUnavailable(f"Redis at {address.shown} {refusal}")


@contextmanager
def _explained(address: RedisAddress) -> Iterator[None]:
    try:
        yield
    except (RedisError, RedisClusterException, OSError) as error:
        raise RedisUnavailable(f"Redis at {address.shown} {_reason(address, error)}") from error


def _reason(address: RedisAddress, error: BaseException) -> str:
    if isinstance(error, RedisClusterException) and isinstance(error.__cause__, RedisError | OSError):
        return _reason(address, error.__cause__)
    text = " ".join(str(error).split()) or type(error).__name__
    if "Cluster mode is not enabled" in text or "cluster support disabled" in text:
        return "is not a Redis Cluster: write redis:// (or rediss://)"
    if text.startswith("NOAUTH") or "Authentication required" in text:
        return "wants a password: put it into the URL, scheme://user:password@host (the user may be empty)"
    if "WRONGPASS" in text or "invalid username-password" in text or "invalid password" in text:
        return f"refuses the password of user {address.username or 'default'}"
    match error:
        case redis.sentinel.MasterNotFoundError() | redis.asyncio.sentinel.MasterNotFoundError():
            return (
                f"is not to be found: none of its Sentinels answers and knows a living master {address.service!r}"
            )
        case AuthenticationWrongNumberOfArgsError():
            return "is too old to know users (ACL): Redis 6.2 or newer is needed"
        case AuthenticationError():
            return f"refuses user {address.username or 'default'}: {text}"
        case NoPermissionError():
            return f"does not let user {address.username or 'default'} do what is needed: {text}"
        case BusyLoadingError():
            return "is still loading its data: wait until it has, then start again"
        case InvalidResponse():
            return "answers, but not as a Redis server does: check host and port (a TLS port needs rediss://)"
        case TimeoutError():
            return f"does not answer in time: {text}"
        case ConnectionError() | OSError():
            return f"cannot be reached: {text}"
        case ResponseError():
            return f"refuses a command: {text}"
    return f"cannot be used: {text}"


def _text(key: str | bytes) -> str:
    return key if isinstance(key, str) else key.decode()
