"""What one look at Redis found, for the metrics. Redis' edge: one script a shard, all in one round trip.

Costs as much as the counters are many, which is some hundred; nothing of it grows with patients.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.inference.commit.script import Script
from services.inference.monitor import speed
from services.inference.monitor.pulse import pulses
from shared.position import parse_id
from shared.redis.connection import Client, master_infos
from shared.shards import counters_key, lease_key, position_key, stream_key

# KEYS: lease, position, counters, stream. Gives whether it is owned, the sequence, the id of the oldest entry
# that is not committed ('' if all are), entries kept, counters as JSON. A script, so that all is of one moment and
# no entry's samples cross the network; JSON, because reading thousands of small replies took most of a scrape.
_LOOK = Script("""
local position = redis.call('HMGET', KEYS[2], 'sequence', 'offset')
local waiting = redis.call('XRANGE', KEYS[4], '(' .. (position[2] or '0-0'), '+', 'COUNT', 1)
return {redis.call('EXISTS', KEYS[1]), position[1] or '0', waiting[1] and waiting[1][1] or '',
  redis.call('XLEN', KEYS[4]), cjson.encode(redis.call('HGETALL', KEYS[3]))}
""")


@dataclass(frozen=True, slots=True)
class Replica:
    """What a live replica said last. ``unacknowledged``: see `alarms.census.oldest`."""

    refused: bool
    unacknowledged: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment, by Redis' clock (``now_us``). ``memory``: used and limit of each master, 0 for no limit."""

    now_us: int
    shards: int
    owned: int
    commits: int
    entries: int
    lag_s: float
    counters: Mapping[str, int]
    speed: Mapping[str, int] = field(default_factory=dict)
    replicas: Sequence[Replica] = ()
    memory: Sequence[tuple[int, int]] = ()


def look(client: Client, shards: int) -> Snapshot:
    """See how things stand. Raises what redis-py raises."""
    calls = [((lease_key(s), position_key(s), counters_key(s), stream_key(s)), ()) for s in range(shards)]
    found = _LOOK.many(client, calls)
    failed = next((reply for reply in found if isinstance(reply, Exception)), None)
    if failed is not None:
        raise failed
    seconds, micros = client.time()
    now_us = int(seconds) * 1_000_000 + int(micros)
    counters: Counter[str] = Counter()
    owned = commits = entries = 0
    oldest_ms = now_us / 1000
    for is_owned, sequence, waiting, kept, counted in found:
        owned, commits, entries = owned + int(is_owned), commits + int(sequence), entries + int(kept)
        if waiting:
            oldest_ms = min(oldest_ms, parse_id(waiting.decode())[0])
        pairs = json.loads(counted) or []  # Lua knows no empty list, only an empty table
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            counters[name] += int(value)
    return Snapshot(
        now_us=now_us,
        shards=shards,
        owned=owned,
        commits=commits,
        entries=entries,
        lag_s=(now_us / 1000 - oldest_ms) / 1000,
        counters=counters,
        speed=speed.read(client),
        replicas=[_replica(told) for _, told in pulses(client)],
        memory=[(info.used_memory, info.maxmemory) for info in master_infos(client)],
    )


def _replica(told: Mapping[str, Any]) -> Replica:
    return Replica(told["refused"] is not None, told["unacknowledged"])
