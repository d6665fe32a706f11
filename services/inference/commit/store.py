"""The edge to what is committed: load a shard, commit a step, and find out what became of a lost reply.

A `Holding` is one tenure of one shard: the token that fences it and the position it has reached. Its
memory is good only while every commit is known to be applied; whatever else happens, memory
is discarded and `ShardStore.load` begins again from what is stored.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from redis.exceptions import (
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from services.inference.commit.facts import DEAD_LETTER_BYTES, Facts, Kind, Retention
from services.inference.commit.link import Link
from services.inference.commit.packing import packed, packed_pairs
from services.inference.commit.point import POINT
from services.inference.commit.script import COMMIT, LOAD, STANDING, Call
from shared.errors import SelfmisError
from shared.position import ShardPosition
from shared.shards import (
    alerts_key,
    audit_key,
    commands_key,
    counters_key,
    dead_letters_key,
    lease_key,
    position_key,
    trend_key,
)

_KINDS = tuple(Kind)
_RECOVERED = _KINDS[: sum(kind.recovered for kind in _KINDS)]  # they come first

# A reply that never came, or a server that cannot be written to for a while: ask again what is stored.
TRANSIENT = (
    RedisConnectionError,
    RedisTimeoutError,
    RedisClusterException,
    ClusterDownError,
    ReadOnlyError,
    TryAgainError,
    OSError,
)


# What a server says that takes no writes for a while: its disk or its memory is full, its replicas are away, or it
# was made a replica under a script (redis-py has an error for that only outside of one) or under a blocked read.
_NOT_NOW = ("MISCONF", "OOM ", "NOREPLICAS", "READONLY", "UNBLOCKED")


def transient(error: BaseException) -> bool:
    """Whether to try again later: no answer, or a server that takes no writes for now. Anything else is a fault.

    A script that was refused so has written nothing: it is stopped at its first write.
    """
    if isinstance(error, (*TRANSIENT, OutOfMemoryError)):
        return True
    return isinstance(error, ResponseError) and any(word in str(error) for word in _NOT_NOW)


class InDoubt(SelfmisError):
    """A commit on top of one that got no answer, or no such commit to ask for: a fault in the loop that calls."""


class Outcome(Enum):
    """What became of a commit. After anything but APPLIED the shard's memory is worth nothing."""

    APPLIED = "applied"
    MOVED = "moved"  # the token still holds, but Redis stands elsewhere than memory: load again
    LOST = "lost"  # somebody else's shard, or nobody's: drop it
    UNKNOWN = "unknown"  # no answer: `ShardStore.resolve` tells, once Redis answers


@dataclass(slots=True)
class Holding:
    """One tenure of a shard. Changed by `ShardStore` only; one thread at a time.

    ``position``: what memory and Redis agree on, None before loading and after anything went wrong.
    ``doubt``: the commit that got no answer. ``renewed_s``: the holder's clock when the lease was
    last known to be extended.
    """

    shard: int
    token: str
    epoch: int
    renewed_s: float
    position: ShardPosition | None = None
    doubt: ShardPosition | None = None
    generation: int = -1

    def discard(self) -> None:
        """Memory has gone further than what was handed to `ShardStore.commit`: it must be loaded again.

        For a step that breaks off between taking entries in and committing what follows from them.
        """
        self.position = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is committed of a shard: where it stands, and of each patient what a new owner needs."""

    position: ShardPosition
    patients: Mapping[Kind, Mapping[bytes, bytes]]


class ShardStore:
    """Loads and commits shards over a `Link`. Stateless but for settings; threads may share it.

    No method sends anything twice. `load`, `resolve` raise what redis-py raises when Redis is away.
    """

    def __init__(self, link: Link, *, lease_ms: int, retention: Retention) -> None:
        self._link = link
        self._lease_ms = lease_ms
        limits = (
            retention.alerts_max,
            retention.alerts_keep_ms,
            retention.audit_max,
            retention.dead_letters_max,
        )
        kept = (POINT.itemsize, retention.trend_points, retention.trend_keep_ms, retention.audit_keep_ms)
        self._limits, self._kept = ([b"%d" % number for number in numbers] for numbers in (limits, kept))

    def load(self, holding: Holding) -> Snapshot | None:
        """What is stored of the shard, and the holding set to it; None when the lease is no longer ours.

        One script, so it is of one moment. Costs about 1 ms and a copy of the state of the shard's patients.
        """
        generation = self._link.generation
        holding.position, holding.doubt = None, None
        token, position, *hashes = LOAD(self._link.client, _keys(holding.shard), len(_RECOVERED))
        if token is None or token.decode() != holding.token:
            return None
        holding.position = ShardPosition.from_redis(_mapping(position))
        holding.generation = generation
        return Snapshot(holding.position, dict(zip(_RECOVERED, map(_mapping, hashes), strict=True)))

    def commit(self, holding: Holding, facts: Facts, *, now_s: float) -> Outcome:
        """Make one step last, all of it or nothing, and extend the lease. ``now_s``: the holder's clock before.

        MOVED, and nothing is sent, where memory is known to be out of date (never loaded, or a renewal found out).
        Raises `InDoubt`, `ValueError` for facts that go back, and redis-py's `ResponseError` for
        faults. One round trip.
        """
        (outcome,) = self.commit_many([(holding, facts)], now_s=now_s)
        return outcome

    def commit_many(self, steps: Sequence[tuple[Holding, Facts]], *, now_s: float) -> list[Outcome]:
        """`commit` of several shards, each on its own: one's outcome says nothing about another's.

        Raises what `commit` does; of facts that go back before anything is sent, of a server's fault when all the
        others are settled. One round trip in all; in a cluster, whose pipelines take no scripts, one a shard.
        """
        prepared = [self._prepared(holding, facts, now_s) for holding, facts in steps]
        calls = [call for call in prepared if not isinstance(call, Outcome)]
        try:
            answers = iter(COMMIT.many(self._link.client, calls))
        except TRANSIENT as error:
            answers = iter([error] * len(calls))
        outcomes, faults = [], []
        for (holding, _), call in zip(steps, prepared, strict=True):
            if isinstance(call, Outcome):
                outcomes.append(call)
                continue
            answer = next(answers)
            if isinstance(answer, Exception):
                if transient(answer):
                    outcomes.append(Outcome.UNKNOWN)
                else:
                    faults.append(answer)
            else:
                outcomes.append(self._settled(holding, Outcome(answer[0].decode()), now_s))
        if faults:
            raise faults[0]
        return outcomes

    def _prepared(self, holding: Holding, facts: Facts, now_s: float) -> Call | Outcome:
        """What to send, and the holding set to doubt it; or what is known without asking."""
        before = holding.position
        if holding.doubt is not None:
            raise InDoubt(f"shard {holding.shard}: its last commit got no answer, resolve it first")
        if before is None:
            return Outcome.MOVED
        facts.check(before)
        after = replace(
            before,
            offset=facts.offset,
            rewind=facts.rewind,
            command=facts.command,
            sequence=before.sequence + 1,
            commit=secrets.token_hex(8),
            token=holding.token,
        )
        holding.position, holding.doubt = None, after
        if holding.generation != self._link.generation:
            return self._settled(holding, Outcome.MOVED, now_s)
        return (
            (*_keys(holding.shard), *(trend_key(holding.shard, name) for name in facts.trend)),
            # One argument: redis-py spends more on handing over each than Redis on unpacking all.
            (
                packed(
                    (
                        holding.token.encode(),
                        b"%d" % self._lease_ms,
                        b"%d" % before.sequence,
                        b"%d" % after.sequence,
                        after.commit.encode(),
                        after.offset.encode(),
                        after.rewind.encode(),
                        after.command.encode(),
                        *self._limits,
                        *_lists(facts),
                        *self._kept,
                        b"%d" % len(_KINDS),
                        *_hashes(facts),
                    )
                ),
            ),
        )

    def resolve(self, holding: Holding) -> Outcome:
        """What became of the commit in doubt: never UNKNOWN. Sequence + 1 under its own id means applied.

        A commit still on its way when this looks can do no harm: it changes the sequence, and
        the next commit of this holding finds out. After a restart of Redis memory is never kept.
        """
        if holding.doubt is None:
            raise InDoubt(f"shard {holding.shard}: no commit is in doubt")
        sequence, commit, held = STANDING(
            self._link.client, (lease_key(holding.shard), position_key(holding.shard)), holding.token
        )
        applied = (int(sequence), commit.decode()) == (holding.doubt.sequence, holding.doubt.commit)
        if not held:
            outcome = Outcome.LOST
        elif applied and holding.generation == self._link.generation:
            outcome = Outcome.APPLIED
        else:
            outcome = Outcome.MOVED
        # When it was applied is not known, so the lease counts as extended no later than before.
        return self._settled(holding, outcome, holding.renewed_s)

    @staticmethod
    def _settled(holding: Holding, outcome: Outcome, now_s: float) -> Outcome:
        if outcome is Outcome.APPLIED:
            holding.position, holding.renewed_s = holding.doubt, now_s
        holding.doubt = None
        return outcome


@lru_cache(maxsize=1 << 14)  # as many as there may be shards
def _keys(shard: int) -> Sequence[bytes]:
    keys = (
        lease_key(shard),
        position_key(shard),
        counters_key(shard),
        alerts_key(shard),
        audit_key(shard),
        dead_letters_key(shard),
        commands_key(shard),
        *(kind.key(shard) for kind in _KINDS),
    )
    return tuple(key.encode() for key in keys)


def _hashes(facts: Facts) -> list[bytes]:
    """What is put into each kind's hash, then what is dropped from each."""
    puts, drops = [], []
    for kind in _KINDS:
        values = facts.patients.get(kind, {})
        gone = [name for name, value in values.items() if value is None]
        puts.append(packed_pairs({name: value for name, value in values.items() if value is not None}))
        drops.append(packed(gone) if gone else b"")
    return [*puts, *drops]


def _lists(facts: Facts) -> list[bytes]:
    """Everything else that grows."""
    counters = {name.encode(): b"%d" % amount for name, amount in facts.counters.items() if amount}
    alerts = packed(part for alert in facts.alerts for part in (alert.id.encode(), alert.body))
    dead = packed(
        part
        for letter in facts.dead
        for part in (
            letter.reason.encode(),
            letter.entry.encode(),
            b"%d" % len(letter.data),
            letter.data[:DEAD_LETTER_BYTES],
        )
    )
    return [packed_pairs(counters), alerts, packed(facts.audit), dead, packed(facts.trend.values())]


def _mapping(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
