"""The sender's side duty, about once a second: read how far the owners are, trim what nobody needs.

Retention is by need: a stream is cut below what its owner still needs plus the replay
horizon, never by count. A shard that no owner has ever committed is not trimmed at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.ingest.pressure import Readings
from shared.connection import Client, server_info
from shared.position import ShardPosition, parse_id
from shared.shards import position_key, stream_key


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one round found and did."""

    readings: Readings
    trimmed_entries: int
    used_memory: int


def lag_seconds(newest: Mapping[int, str], positions: Mapping[int, ShardPosition]) -> float | None:
    """The longest time between a shard's newest entry and the last one its owner has committed.

    None as long as no owner has committed anything: a stream may be filled before it is read.
    """
    started = {shard: position for shard, position in positions.items() if position.sequence}
    if not started:
        return None
    lags = [
        (parse_id(entry_id)[0] - parse_id(started[shard].offset)[0]) / 1000
        for shard, entry_id in newest.items()
        if shard in started and parse_id(entry_id) > parse_id(started[shard].offset)
    ]
    return max(lags, default=0.0)


def upkeep(client: Client, shards: int, newest: Mapping[int, str], horizon_s: float) -> Upkeep:
    """One round over all shards: two pipelines and one ``INFO``. Raises what redis-py raises."""
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
    info = server_info(client)
    memory = info.used_memory / info.maxmemory if info.maxmemory else None
    readings = Readings(lag_s=lag_seconds(newest, positions), memory=memory)
    return Upkeep(readings, trimmed, info.used_memory)
