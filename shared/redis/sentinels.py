"""Clients of a master that Sentinels know: redis-py asks them anew for every connection that it makes.

So after a fail-over the next connection leads to the new master. While Sentinels cannot see each other, one of
them may still name the old one: who must not be misled compares whom it meets (`connection.incarnation`).
"""

from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from shared.redis.address import RedisAddress

# A Sentinel has nothing else to do; one that is silent for longer is passed over for the next.
PATIENCE_S = 1.0


def master(address: RedisAddress, timeout_s: float, arguments: dict[str, Any]) -> Redis:
    """A client of the master behind ``address``. ``arguments``: of its connections. Nothing is asked yet."""
    ask = _ask(address, timeout_s) | {"retry": Retry(NoBackoff(), 0)}
    watchers = Sentinel(address.sentinels, sentinel_kwargs=ask, **arguments)  # type: ignore[no-untyped-call]
    client: Redis = watchers.master_for(  # type: ignore[no-untyped-call]  # redis-py left both untyped
        address.service, connection_pool_class=_Pool
    )
    return client


def async_master(address: RedisAddress, timeout_s: float, arguments: dict[str, Any]) -> AsyncRedis:
    """`master` for asyncio."""
    ask = _ask(address, timeout_s) | {"retry": AsyncRetry(NoBackoff(), 0)}
    watchers = AsyncSentinel(address.sentinels, sentinel_kwargs=ask, **arguments)  # type: ignore[no-untyped-call]
    client: AsyncRedis = watchers.master_for(address.service, connection_pool_class=_AsyncPool)
    return client


class _Pool(SentinelConnectionPool):
    """Who closes it closes the connections to the Sentinels, too, which redis-py would leave open."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        if inuse_connections:
            self.sentinel_manager.close()


class _AsyncPool(AsyncPool):
    """The same."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await self.sentinel_manager.aclose()


def _ask(address: RedisAddress, timeout_s: float) -> dict[str, Any]:
    """How to connect to Sentinels."""
    patience_s = min(timeout_s, PATIENCE_S)
    return address.ask_sentinels() | {
        "socket_timeout": patience_s,
        "socket_connect_timeout": patience_s,
        "socket_keepalive": True,
        "protocol": 2,
    }
