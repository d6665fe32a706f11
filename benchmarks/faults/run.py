"""One run: let things go wrong while patients stream, wait for the end, and read what was committed."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from benchmarks.faults.expected import Committed
from benchmarks.faults.house import House, HouseError
from benchmarks.faults.inject import Lift, inject
from benchmarks.faults.plan import Moment
from benchmarks.faults.watch import Recovery, Watch
from services.inference.api import reading
from services.inference.commit.facts import Kind
from services.inference.commit.reader import Entry
from services.ingest.runs import Run
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client, RedisUnavailable, connect
from shared.redis.local import local_client
from shared.shards import (
    ALERT_BODY,
    ALERT_ID,
    BATCH_FIELD,
    alerts_key,
    counters_key,
    latest_key,
    position_key,
    stream_key,
    trend_key,
)

# After the last fault so much of the stream is left that all confirmed frames are on the disk of Redis.
QUIET_END_S = 5.0
# A moment's effect may come late (a killed replica's leases first run out), so recovery is judged no earlier.
CALM_S = 1.0
PATIENCE_S = 40.0
START_S = 180.0
DRAIN_S = 180.0
_SAY_EVERY_S = 10.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Story:
    """What happened. ``restarts``: of each service, by the service manager. ``gave_up``: replicas (or the whole of
    Serve) that gave up by themselves."""

    run: Run
    recoveries: list[Recovery] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    restarts: dict[str, int] = field(default_factory=dict)
    gave_up: int = 0
    bytes_cut: int = 0
    committed: list[Committed] = field(default_factory=list)


def through(house: House, plan: Iterator[Moment], say: Say, *, within_s: float, first_s: float | None) -> Story:
    """Stream to the end while ``plan`` goes on; raises `HouseError` where the system does not start or end.

    ``first_s``: when the first moment comes; None: when the stream is live.
    """
    settings = house.build.settings
    owned(house)
    story = Story(house.stream())
    began = time.monotonic()  # on a busy machine it takes seconds until anything streams
    web = house.web if house.build.serve else None
    with Watch(house.port, settings.stream.shards, settings.window.stride_s, within_s, web) as watch:
        if first_s is None:
            _until_live(house, watch)
            say(f"{time.monotonic() - began:7.1f} s  live, {watch.behind_s:.1f} s behind the samples")
        else:
            house.sleep(max(0.0, began + first_s - time.monotonic()))
        last_s = began + house.build.seconds - QUIET_END_S
        for moment in plan:
            lasts_s = max(fault.lasts_s for fault in moment.faults)
            if time.monotonic() + moment.pause_s + lasts_s > last_s:
                break
            house.sleep(moment.pause_s)
            settle_s = settings.monitor.lease_s + CALM_S
            recovery = _go_through(house, moment, watch, began, settle_s=settle_s, last_s=last_s)
            story.recoveries.append(recovery)
            story.faults.update(fault.kind for fault in moment.faults)
            say(recovery.line())
        drain(house, say)
    story.gave_up = sum(service.gave_up for service in house.monitors)
    story.bytes_cut = house.bytes_cut
    story.restarts = {service.name: service.starts - 1 for service in house.services}
    story.committed = read_all(house)
    return story


def _go_through(
    house: House, moment: Moment, watch: Watch, began: float, *, settle_s: float, last_s: float
) -> Recovery:
    begun = time.monotonic()
    lifts: list[tuple[float, Lift]] = []
    try:
        for fault in sorted(moment.faults, key=lambda each: each.lasts_s):
            lifts += [(begun + fault.lasts_s, inject(fault, house))]
        while lifts:
            house.sleep(max(0.0, lifts[0][0] - time.monotonic()))
            lifts.pop(0)[1]()
    finally:
        for _, lift in lifts:
            lift()
    lifted = time.monotonic()
    recovered = None
    while time.monotonic() < min(lifted + PATIENCE_S, max(last_s, lifted + settle_s)):
        house.sleep(0.1)
        since = watch.well_since(lifted)
        now = time.monotonic()
        if since is not None and now - lifted >= settle_s and now - since >= CALM_S:
            recovered = since - lifted
            break
    return Recovery(moment.name, begun - began, lifted - began, recovered)


def owned(house: House) -> None:
    """Wait until the replicas share the shards."""
    shards = house.build.settings.stream.shards
    _until(house, START_S, "the replicas own all shards", lambda c: reading.standing(c, shards).owned == shards)


def _until_live(house: House, watch: Watch) -> None:
    """First windows come ten seconds after the first samples."""
    deadline = time.monotonic() + START_S
    while not -CALM_S < watch.behind_s <= watch.within_s:
        house.sleep(0.1)
        if time.monotonic() > deadline:
            raise HouseError(f"bench faults: no window was committed in time: {_words(house)}")


def drain(house: House, say: Say) -> None:
    """Until all was sent, and all that was sent is committed."""
    shards = house.build.settings.stream.shards
    said = time.monotonic()
    deadline = said + house.build.seconds + DRAIN_S
    while not house.streamed:
        house.sleep(0.1)
        if time.monotonic() > deadline:
            raise HouseError(f"bench faults: ingest does not come to its end: {_words(house)}")
        if time.monotonic() - said > _SAY_EVERY_S:
            said = time.monotonic()
            say("           waiting for the end of the stream")
    _until(house, DRAIN_S, "all that was sent is committed", lambda client: caught_up(client, shards))


def _until(house: House, seconds: float, what: str, condition: Callable[[Client], bool]) -> None:
    deadline = time.monotonic() + seconds
    while True:
        house.sleep(0.2)
        with suppress(RedisError, RedisUnavailable, OSError), local_client(house.port, timeout_s=2.0) as client:
            if condition(client):
                return
        if time.monotonic() > deadline:
            raise HouseError(f"bench faults: waited {seconds:g} s in vain until {what}: {_words(house)}")


def _words(house: House) -> str:
    return "; ".join(f"{service.name}: {service.said(1)}" for service in house.services)


def caught_up(client: Client, shards: int) -> bool:
    """Whether every entry is committed."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.xrevrange(stream_key(shard), count=1)
        pipe.hgetall(position_key(shard))
    replies: list[Any] = pipe.execute()
    return all(
        not newest or parse_id(ShardPosition.from_redis(fields).offset) >= parse_id(newest[0][0].decode())
        for newest, fields in zip(replies[::2], replies[1::2], strict=True)
    )


def read_all(house: House) -> list[Committed]:
    """What is committed of all shards, at the end."""
    with connect(house.url) as client:
        return [read(client, shard) for shard in range(house.build.settings.stream.shards)]


def log_of(house: House) -> list[tuple[int, Entry]]:
    """Shard and entry of all that Redis still holds, in order of each shard."""
    found = []
    with connect(house.url) as client:
        for shard in range(house.build.settings.stream.shards):
            rows: Any = client.xrange(stream_key(shard))
            found += [(shard, Entry(i.decode(), fields.get(BATCH_FIELD), counted=True)) for i, fields in rows]
    return found


def read(client: Client, shard: int) -> Committed:
    """What is committed of a shard."""
    alerts: Any = client.xrange(alerts_key(shard))
    counters: Any = client.hgetall(counters_key(shard))
    found = Committed()
    found.counters.update({name.decode(): int(value) for name, value in counters.items()})
    found.alerts = [(fields[ALERT_ID].decode(), fields[ALERT_BODY]) for _, fields in alerts]
    names: Any = client.hkeys(latest_key(shard))
    for name in names:
        points: Any = client.lrange(trend_key(shard, name), 0, -1)
        found.trend[name] = b"".join(points)
    for kind in Kind:
        found.patients[kind] = dict(client.hgetall(kind.key(shard)))  # type: ignore[arg-type]  # sync client
    return found


def shares(committed: Sequence[Committed], prefix: str) -> int:
    """How many of something were counted in all shards."""
    return sum(n for each in committed for name, n in each.counters.items() if name.startswith(prefix))
