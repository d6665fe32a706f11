"""The connection of commits: sends once, and notices when the server behind it has been started anew.

A restarted Redis may have lost its last second, so nothing that was computed from what it held may
be committed to it. Every new connection is asked for the server's run id before it carries
anything; an id never met before counts as a new *generation*, and what was to be sent is not.
"""

from redis import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.connection import Client, connect


class ServerChanged(RedisConnectionError):
    """The connection leads to a server that we have not met: memory must be reloaded first."""


class Link:
    """A commit client and its generation. May be shared by threads; close it.

    Raises what `shared.connection.connect` raises. In a cluster all masters are met at the start;
    one that is met later (a failover) is a new generation like any other.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._met: set[str] = set()
        self._opening = True
        self.generation = 0
        self.client: Client = connect(url, timeout_s=timeout_s, resend=False, on_connect=self._meet)
        if isinstance(self.client, RedisCluster):
            for node in self.client.get_primaries():  # type: ignore[no-untyped-call]  # redis-py left it untyped
                self.client.ping(target_nodes=node)
        self._opening = False

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _meet(self, run_id: str) -> None:
        if run_id in self._met:
            return
        self._met.add(run_id)
        self.generation += 1
        if not self._opening:
            raise ServerChanged("Redis was started anew: what is in memory must be read again")
