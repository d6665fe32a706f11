"""The sender's side duty, about once a second: read how far the owners are, trim what nobody needs.

Retention is by need: a stream is cut below what its owner still needs plus the replay
horizon, never by count. A shard that no owner has ever committed is not trimmed at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.ingest.pressure import Readings
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client, master_infos
from shared.shards import position_key, stream_key


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one round found and did."""

    readings: Readings
    trimmed_entries: int
    used_memory: int


class Backlog:
    """What this process sent and no owner has committed yet: of each shard the oldest and the newest entry id.

    Our own entries only, so that a shard where nothing was sent for an hour is not an hour behind when the
    next frame comes; frames of other processes that wait before ours make ours wait too.
    """

    def __init__(self) -> None:
        self._oldest: dict[int, str] = {}
        self._newest: dict[int, str] = {}

    def sent(self, shard: int, entry_id: str) -> None:
        """Redis has confirmed an entry."""
        self._oldest.setdefault(shard, entry_id)
        self._newest[shard] = entry_id

    def lag_s(self, positions: Mapping[int, ShardPosition]) -> float | None:
        """The longest time between a shard's newest entry and the oldest that waits; forgets what does not.

        None as long as no owner has committed anything: a stream may be filled before it is read.
        Entries after an owner's offset are younger than it, so the offset bounds the oldest that waits.
        """
        started = {shard: position for shard, position in positions.items() if position.sequence}
        if not started:
            return None
        longest = 0
        for shard, newest in list(self._newest.items()):
            if shard not in started:
                continue
            offset = started[shard].offset
            if parse_id(newest) <= parse_id(offset):
                del self._oldest[shard], self._newest[shard]
                continue
            self._oldest[shard] = max(self._oldest[shard], offset, key=parse_id)
            longest = max(longest, parse_id(newest)[0] - parse_id(self._oldest[shard])[0])
        return longest / 1000


def upkeep(client: Client, shards: int, backlog: Backlog, horizon_s: float) -> Upkeep:
    """One round over all shards: two pipelines and one ``INFO`` a master. Raises what redis-py raises."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.hgetall(position_key(shard))
    replies: list[Any] = pipe.execute()
    positions = {shard: ShardPosition.from_redis(fields) for shard, fields in enumerate(replies)}
    seconds, microseconds = client.time()
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    trims = {
        shard: position.needed(int(horizon_s * 1000), now_ms)
        for shard, position in positions.items()
        if position.sequence
    }
    trimmed = 0
    if trims:
        pipe = client.pipeline(transaction=False)
        for shard, oldest in trims.items():
            pipe.xtrim(stream_key(shard), minid=oldest, approximate=True)
        trimmed = sum(int(reply) for reply in pipe.execute())
    servers = master_infos(client)
    # The fullest decides: a cluster's shards cannot move to where there is room.
    memory = max((info.used_memory / info.maxmemory for info in servers if info.maxmemory), default=None)
    readings = Readings(lag_s=backlog.lag_s(positions), memory=memory)
    return Upkeep(readings, trimmed, sum(info.used_memory for info in servers))
