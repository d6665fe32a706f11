"""What goes on: replicas, leases, lag, dead letters, each looked at twice so that standing still is seen."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.doctor.finding import Finding, fault, ok, warning
from services.inference.monitor.pulse import pulses
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client
from shared.shards import REPLICAS_KEY, dead_letters_key, lease_key, position_key, stream_key

LATE_S = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """All shards at one moment, by shard. Ids are (milliseconds, sequence), (0, 0) where there is none."""

    owned: tuple[bool, ...]
    sequence: tuple[int, ...]
    offset: tuple[tuple[int, int], ...]
    newest: tuple[tuple[int, int], ...]
    dead: tuple[str, ...]  # id of the newest dead letter
    reasons: Mapping[str, int]  # of the dead letters that are kept

    @property
    def lag_s(self) -> float:
        """Of the slowest shard that was ever read: how long its newest entry came after the last committed one."""
        pairs = zip(self.newest, self.offset, strict=True)
        return max(((new[0] - done[0]) / 1e3 for new, done in pairs if new > done > (0, 0)), default=0.0)

    @property
    def unread(self) -> int:
        """How many shards hold entries of which none was ever committed."""
        return sum(new > done == (0, 0) for new, done in zip(self.newest, self.offset, strict=True))


def look(client: Client, shards: int) -> Look:
    """Some round trips."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.exists(lease_key(shard))
        pipe.hgetall(position_key(shard))
        pipe.xrevrange(stream_key(shard), count=1)
        pipe.xrevrange(dead_letters_key(shard), count=20)
    replies: list[Any] = pipe.execute()
    positions = [ShardPosition.from_redis(fields) for fields in replies[1::4]]
    reasons: dict[str, int] = {}
    for letters in replies[3::4]:
        for _, fields in letters:
            reason = fields.get(b"reason", b"?").decode(errors="replace")
            reasons[reason] = reasons.get(reason, 0) + 1
    return Look(
        owned=tuple(bool(found) for found in replies[0::4]),
        sequence=tuple(position.sequence for position in positions),
        offset=tuple(parse_id(position.offset) for position in positions),
        newest=tuple(parse_id(found[0][0].decode()) if found else (0, 0) for found in replies[2::4]),
        dead=tuple(found[0][0].decode() if found else "" for found in replies[3::4]),
        reasons=reasons,
    )


def judge(before: Look, after: Look, replicas: Mapping[str, Mapping[str, Any]], live: int) -> Iterator[Finding]:
    """Two looks, the pulses of replicas by name, and how many beat."""
    yield from _replicas(replicas, live)
    yield _leases(before, after, live)
    yield _lag(before, after)
    yield _dead(before, after)


def _replicas(replicas: Mapping[str, Mapping[str, Any]], live: int) -> Iterator[Finding]:
    if not live:
        yield fault(
            "replicas",
            "no replica of the monitor beats: nothing is scored",
            "start it: serve deploy deploy/serve.yaml",
        )
        return
    models = sorted({str(pulse.get("model")) for pulse in replicas.values()})
    refused = sorted({str(pulse["refused"]) for pulse in replicas.values() if pulse.get("refused")})
    silent = live - len(replicas)
    if silent > 0:
        yield warning(
            "replicas",
            f"{silent} of {live} replicas beat but say nothing of themselves",
            "look at their logs; ones just started or just killed need a few seconds",
        )
    for reason in refused:
        yield fault(
            "replicas", f"the newest configuration is not in force: {reason}", "mend it and deploy it again"
        )
    if len(models) > 1:
        yield warning(
            "replicas",
            f"replicas use different models: {', '.join(models)}",
            "an update under way does that for a moment; if it stays, deploy again",
        )
    if silent <= 0 and not refused and len(models) == 1:
        yield ok("replicas", f"{live} live, model {models[0]}")


def _leases(before: Look, after: Look, live: int) -> Finding:
    orphans = [s for s, pair in enumerate(zip(before.owned, after.owned, strict=True)) if not any(pair)]
    if not orphans:
        return ok("leases", f"all {len(after.owned)} shards have an owner")
    if not live:
        return fault("leases", f"no owner for {len(orphans)} of {len(after.owned)} shards", "start the monitor")
    first = ", ".join(str(shard) for shard in orphans[:5])
    return fault(
        "leases",
        f"no owner for {len(orphans)} of {len(after.owned)} shards ({first}{' …' if len(orphans) > 5 else ''})",
        "a moment after a replica died this is normal; if it stays for two leases, look at the replicas' logs",
    )


def _lag(before: Look, after: Look) -> Finding:
    stuck = [
        shard
        for shard, done in enumerate(after.offset)
        if before.newest[shard] > done and before.sequence[shard] == after.sequence[shard]
    ]
    lag_s, unread = after.lag_s, min(before.unread, after.unread)
    if unread or (stuck and lag_s > LATE_S):
        return fault(
            "lag",
            f"entries wait in {max(unread, len(stuck))} shards and nothing is committed there",
            "see leases and replicas above; then the replicas' logs",
        )
    if lag_s > LATE_S:
        return warning(
            "lag",
            f"the slowest shard is {lag_s:.1f} s behind",
            "more replicas (num_replicas), or a model that costs less; after a stop it catches up by itself",
        )
    return ok("lag", f"{lag_s:.1f} s behind at most")


def _dead(before: Look, after: Look) -> Finding:
    growing = sum(a != b for a, b in zip(before.dead, after.dead, strict=True))
    kept = ", ".join(
        f"{reason} {count}" for reason, count in sorted(after.reasons.items(), key=lambda r: -r[1])[:4]
    )
    if growing:
        return warning(
            "dead letters",
            f"growing in {growing} shards ({kept}): somebody sends what cannot be read",
            "XREVRANGE dead:{sNN} + - COUNT 1 shows reason and bytes; find the sender of another version",
        )
    return ok("dead letters", f"some are kept ({kept}), none is new" if kept else "none")


def examine_ward(client: Client, shards: int, watch_s: float, sleep: Callable[[float], None]) -> Iterable[Finding]:
    """Looks, waits, looks again."""
    before = look(client, shards)
    sleep(watch_s)
    after = look(client, shards)
    told = dict(pulses(client))
    now: Any = client.time()
    millis = now[0] * 1000 + now[1] // 1000
    yield from judge(before, after, told, int(client.zcount(REPLICAS_KEY, millis, "+inf")))


def wait(seconds: float) -> None:
    """The one real ``sleep``."""
    time.sleep(seconds)
