"""Reading what is committed, for views: every shard's patients, alerts and counters. Redis' edge of the API.

Nothing here is remembered between calls, so any replica answers any request.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.inference.api.alert_log import AlertLog, Wanted
from services.inference.monitor.latest import LATEST
from shared.position import ShardPosition
from shared.redis.connection import Client
from shared.shards import counters_key, dead_letters_key, latest_key, lease_key, position_key


@dataclass(frozen=True, slots=True)
class Patients:
    """All patients of whom a window has closed: their names and newest records, side by side."""

    names: tuple[bytes, ...]
    records: np.ndarray[Any, np.dtype[np.void]]


def patients(client: Client, shards: int) -> Patients:
    """Everybody's newest window. One round trip; some 80 bytes a patient."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.hgetall(latest_key(shard))
    found = {name: raw for reply in pipe.execute() for name, raw in reply.items() if len(raw) == LATEST.itemsize}
    return Patients(tuple(found), np.frombuffer(b"".join(found.values()), LATEST))


def alerts(client: Client, shards: int, limit: int) -> list[dict[str, Any]]:
    """The newest alerts of all shards, newest first, by the time of their commit."""
    return [json.loads(row.view()) for row in AlertLog(client, shards).newest(Wanted(), limit)]


def counters(client: Client, shards: int) -> Counter[str]:
    """All committed counters, summed over shards."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.hgetall(counters_key(shard))
    total: Counter[str] = Counter()
    for reply in pipe.execute():
        for name, value in reply.items():
            total[name.decode()] += int(value)
    return total


@dataclass(frozen=True, slots=True)
class Standing:
    """How the shards stand: how many have an owner, commits in all, dead letters kept."""

    shards: int
    owned: int
    commits: int
    dead_letters: int


def standing(client: Client, shards: int) -> Standing:
    """For health: one round trip."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.exists(lease_key(shard))
        pipe.hgetall(position_key(shard))
        pipe.xlen(dead_letters_key(shard))
    replies = pipe.execute()
    owned, positions, dead = replies[::3], replies[1::3], replies[2::3]
    commits = sum(ShardPosition.from_redis(fields).sequence for fields in positions)
    return Standing(shards, sum(owned), commits, sum(dead))
