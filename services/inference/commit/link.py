"""The connection of commits: sends once, and notices when the server behind it has been started anew.

A restarted Redis may have lost its last second, and a replica that was promoted whatever had not yet reached it,
so nothing that was computed from what the other held may be committed to it. Every new connection is asked which
incarnation of which server is at its other end before it carries anything; another than before counts as a new
*generation*, and what was to be sent is not.
"""

from redis import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.redis.connection import Client, connect


class ServerChanged(RedisConnectionError):
    """The connection leads to a server that we have not met: memory must be reloaded first."""


class Link:
    """A commit client and its generation. May be shared by threads; close it.

    Raises what `shared.redis.connection.connect` raises. In a cluster all masters are met at the start;
    one that is met later (a failover) is a new generation like any other.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._met: set[str] = set()
        self._opening = True
        self._clients: list[Client] = []
        self.generation = 0
        self.client: Client = connect(url, timeout_s=timeout_s, resend=False, on_connect=self._meet)
        self._clients.append(self.client)
        if isinstance(self.client, RedisCluster):
            for node in self.client.get_primaries():  # type: ignore[no-untyped-call]  # redis-py left it untyped
                self.client.ping(target_nodes=node)
        self._opening = False

    def reader(self) -> Client:
        """A client for reading what is then committed; its owner closes it, and asks again itself.

        A client that asks again multiplies its time-outs: a server whose machine has gone would keep a loop in one
        read for longer than a loop may be silent, and all replicas would be taken for hung.

        Of the same generations: while a fail-over is under way an address, or Sentinels that cannot see each
        other, may lead one connection to the old master and another to the new. Entries of the one are not to be
        committed to the other, whose log they are not in.
        """
        client = connect(self._url, timeout_s=self._timeout_s, resend=False, on_connect=self._meet)
        self._clients.append(client)
        return client

    def close(self) -> None:
        """Close the connections of `client`."""
        self.client.close()

    def _meet(self, incarnation: str) -> None:
        if incarnation in self._met:
            return
        if not self._opening and not isinstance(self.client, RedisCluster):
            self._met.clear()  # there is one master: the one met last
            for client in self._clients:
                client.connection_pool.disconnect(inuse_connections=False)  # type: ignore[union-attr]  # no cluster
        self._met.add(incarnation)
        self.generation += 1
        if not self._opening:
            raise ServerChanged("Redis was started anew, or is another: what is in memory must be read again")
