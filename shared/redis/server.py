"""What a Redis server says about itself, and whether it will do for us: pure, over the reply to ``INFO``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# XTRIM MINID came with 6.2; nothing newer is used.
OLDEST_VERSION = (6, 2)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """One server, at one moment. ``version`` is that of its own flavour; sizes in bytes, ``maxmemory`` 0 = none.

    ``run_id`` is new each time the server starts: whoever keeps memory of what is in Redis
    compares it, since a restart may have lost the last second of writes.
    """

    version: tuple[int, ...]
    flavour: Literal["redis", "valkey"]
    run_id: str
    pid: int
    mode: Literal["standalone", "cluster", "sentinel"]
    master: str | None
    loading: bool
    maxmemory: int
    maxmemory_policy: str
    used_memory: int

    @property
    def cluster(self) -> bool:
        """Whether it is a node of a Redis Cluster."""
        return self.mode == "cluster"

    @property
    def name(self) -> str:
        """For people: ``Redis 6.2.14``."""
        return f"{self.flavour.capitalize()} {'.'.join(map(str, self.version))}"

    @classmethod
    def parse(cls, info: Mapping[str, Any]) -> "ServerInfo":
        """From redis-py's reading of ``INFO`` (all default sections)."""
        valkey = info.get("valkey_version")
        version = str(valkey or info.get("redis_version", "0"))
        replica = info.get("role") == "slave"
        return cls(
            version=tuple(int(part) for part in version.split(".") if part.isdecimal()),
            flavour="valkey" if valkey else "redis",
            run_id=str(info.get("run_id", "")),
            pid=int(info.get("process_id", 0)),
            mode=info.get("redis_mode") or info.get("server_mode") or "standalone",
            master=f"{info.get('master_host')}:{info.get('master_port')}" if replica else None,
            loading=bool(int(info.get("loading", 0))),
            maxmemory=int(info.get("maxmemory", 0)),
            maxmemory_policy=str(info.get("maxmemory_policy", "")),
            used_memory=int(info.get("used_memory", 0)),
        )

    def refusal(self, *, as_cluster: bool) -> str | None:
        """Why this server will not do for a client that takes it for a cluster or not; None if it will."""
        if self.version < OLDEST_VERSION:
            oldest = ".".join(map(str, OLDEST_VERSION))
            return f"is {self.name}, too old: {oldest} or newer is needed"
        if self.loading:
            return "is still loading its data: wait until it has, then start again"
        if self.mode == "sentinel":
            return (
                "is a Sentinel, not a data server: write redis+sentinel://host:port/name, with its master's name"
            )
        if self.cluster and not as_cluster:
            return "is a node of a Redis Cluster: write redis+cluster:// (or rediss+cluster://)"
        if as_cluster and not self.cluster:
            return "is not a Redis Cluster: write redis:// (or rediss://)"
        if self.master is not None and not as_cluster:
            return f"is a read-only replica: name its master, {self.master}"
        return None
