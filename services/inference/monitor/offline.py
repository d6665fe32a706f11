"""The same samples once more, without Redis' help: what a monitor should have committed, from the log alone.

Every entry of a shard's stream goes through a fresh memory in one step: no leases, no crashes, no
take-overs, no batches but one. Whatever the live monitor did, it must have come to the same.

All but silence: whether a stream was lost depends on when frames came, not on the samples, so the
alarms about that are left out by name. Where time passed by the clock meanwhile and moved another alarm, the
offline run is told when (`elapsed`), and everything else must follow.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.inference.commit.facts import Facts, Kind
from services.inference.commit.reader import Entry, Pulled
from services.inference.commit.store import Snapshot
from services.inference.engine import Engine, score
from services.inference.monitor.decoding import decoded
from services.inference.monitor.elapsed import SILENCE, elapsed_of
from services.inference.monitor.shard import Shard, ShardRules
from shared.position import ShardPosition
from shared.redis.connection import Client
from shared.shards import (
    ALERT_BODY,
    ALERT_ID,
    BATCH_FIELD,
    alerts_key,
    counters_key,
    latest_key,
    stream_key,
    trend_key,
)

NOTHING_COMMITTED = Snapshot(ShardPosition(), {kind: {} for kind in Kind})


@dataclass(frozen=True, slots=True)
class Differences:
    """How often the live monitor and the offline run disagree, by what about."""

    alerts: int
    latest: int
    counters: int
    trend: int = 0

    @property
    def total(self) -> int:
        """0 is the only right number."""
        return self.alerts + self.latest + self.counters + self.trend


def offline(client: Client, shard: int, rules: ShardRules, engine: Engine, *, max_missing: float) -> Facts:
    """What should be committed of a shard. Needs the whole log: nothing of the stream may have been trimmed."""
    entries: Any = client.xrange(stream_key(shard))
    pulled = Pulled(shard, tuple(Entry(i.decode(), f.get(BATCH_FIELD), counted=True) for i, f in entries), ())
    memory = Shard(shard, rules, NOTHING_COMMITTED)
    (read,) = decoded([pulled], rules.most_bytes)
    placed = memory.place(read)
    (scored,) = score([placed.step.cut], engine, max_missing=max_missing)
    stored: Any = client.xrange(alerts_key(shard))
    elapsed = elapsed_of(json.loads(fields[ALERT_BODY]) for _, fields in stored)
    return memory.conclude(placed, scored, engine.version, elapsed=elapsed)


def compare(client: Client, shard: int, expected: Facts) -> Differences:
    """What is committed of a shard against what should be, but for alarms about silence (`SILENCE`).

    Of trends what is kept.
    """
    stored: Any = client.xrange(alerts_key(shard))
    found = [(fields[ALERT_ID].decode(), fields[ALERT_BODY]) for _, fields in _by_samples(stored)]
    wanted = [(alert.id, alert.body) for alert in expected.alerts]
    doubled = len(found) - len({alert_id for alert_id, _ in found})
    alerts = doubled + _unlike(dict(found), dict(wanted))
    latest: Any = client.hgetall(latest_key(shard))
    counted: Any = client.hgetall(counters_key(shard))
    # What has gone up and down again stands at 0 in Redis and is absent from a fresh count.
    counters = Counter({name.decode(): int(value) for name, value in counted.items() if int(value)})
    for name in [name for name in counters if _family_and_kind(name) in _SILENCE_COUNTERS]:
        del counters[name]
    pipe = client.pipeline(transaction=False)
    for name in expected.trend:
        pipe.lrange(trend_key(shard, name), 0, -1)
    trends = {name: b"".join(kept) for name, kept in zip(expected.trend, pipe.execute(), strict=True)}
    return Differences(
        trend=_unlike(
            trends, {name: points[-len(trends[name]) or None :] for name, points in expected.trend.items()}
        ),
        alerts=alerts,
        latest=_unlike(latest, {k: v for k, v in expected.patients[Kind.LATEST].items() if v is not None}),
        counters=_unlike(counters, Counter({k: v for k, v in expected.counters.items() if v})),
    )


_SILENCE_COUNTERS = frozenset((family, kind) for family in ("alerts", "active") for kind in SILENCE)


def _by_samples(stored: Iterable[Any]) -> Iterable[Any]:
    return [each for each in stored if json.loads(each[1][ALERT_BODY])["kind"] not in SILENCE]


def _family_and_kind(counter: str) -> tuple[str, ...]:
    return tuple(counter.split("|")[:2])


def _unlike(found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> int:
    return sum(found.get(name) != wanted.get(name) for name in found.keys() | wanted.keys())
