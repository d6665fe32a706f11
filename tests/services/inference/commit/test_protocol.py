"""Any interleaving of two owners, expiring leases, lost replies and late deliveries.

Held throughout: the sequence grows by one, each commit is applied once at most, only the
holder of the current lease writes, and memory that commits is what Redis holds.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

from services.inference.commit.facts import Alert, Facts, Kind
from services.inference.commit.ids import after
from services.inference.commit.link import Link
from services.inference.commit.script import COMMIT
from services.inference.commit.store import Holding, Outcome, ShardStore
from services.inference.ownership.lease import Leases, Standing, new_token
from shared.position import ShardPosition
from shared.redis.connection import Client
from shared.shards import alerts_key, counters_key, epoch_key, lease_key, position_key, state_key
from tests.services.inference.tally import RETENTION


class Wire:
    """A real client whose commits meet the fate that is next: reply lost, never sent, or sent later."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.fate = "answered"
        self.late: list[tuple[Any, ...]] = []

    def evalsha(self, digest: str, *arguments: Any) -> Any:
        fate, self.fate = (self.fate, "answered") if digest == COMMIT.digest else ("answered", self.fate)
        if fate == "sent late":
            self.late.append((digest, *arguments))
        if fate in ("answered", "reply lost"):
            reply = self._client.evalsha(digest, *arguments)
            if fate == "answered":
                return reply
        raise RedisConnectionError("lost")

    def deliver(self) -> None:
        self._client.evalsha(*self.late.pop(0))

    def eval(self, *arguments: Any) -> Any:
        return self._client.eval(*arguments)


class Peer:
    """One owner: its wire, its holding, and its memory, the running total that each commit carries on."""

    def __init__(self, client: Client) -> None:
        self.wire = Wire(client)
        self.link = Link.__new__(Link)
        self.link.client, self.link.generation = self.wire, 1  # type: ignore[assignment]
        self.leases = Leases(self.link, lease_ms=60_000)
        self.store = ShardStore(self.link, lease_ms=60_000, retention=RETENTION)
        self.holding: Holding | None = None
        self.memory = 0


class World:
    """Redis, two owners, and what must always hold."""

    def __init__(self, client: Client) -> None:
        self.client = client
        client.flushall()
        client.script_load(COMMIT.source)
        self.peers = [Peer(client), Peer(client)]
        self.number = 0
        self.sequence = self.epoch = 0

    def stored(self) -> ShardPosition:
        return ShardPosition.from_redis(self.client.hgetall(position_key(0)))

    def acquire(self, peer: Peer) -> None:
        free = not self.client.exists(lease_key(0))
        peer.holding = peer.leases.acquire(0, new_token("r"), now_s=0.0)
        assert (peer.holding is not None) == free

    def load(self, peer: Peer) -> None:
        assert peer.holding is not None
        held = self.client.get(lease_key(0)) == peer.holding.token.encode()
        snapshot = peer.store.load(peer.holding)
        assert (snapshot is not None) == held
        if snapshot is None:
            peer.holding = None
        else:
            peer.memory = int(snapshot.patients[Kind.STATE].get(b"total", b"0"))

    def begin(self, who: int) -> None:
        """What a loop does before a step; the step may come much later."""
        peer = self.peers[who]
        if peer.holding is None:
            self.acquire(peer)
        if peer.holding is not None and peer.holding.position is None and peer.holding.doubt is None:
            self.load(peer)

    def reload(self, who: int) -> None:
        """Whatever memory was worth."""
        if self.peers[who].holding is not None:
            self.load(self.peers[who])

    def commit(self, who: int, fate: str) -> None:
        peer = self.peers[who]
        holding = peer.holding
        if holding is None or holding.position is None:
            return
        before = self.stored()
        may = (
            self.client.get(lease_key(0)) == holding.token.encode()
            and before.sequence == holding.position.sequence
        )
        self.number += 1
        memory = peer.memory + 1
        offset = (
            after(before.offset)
            if before.sequence == holding.position.sequence
            else after(holding.position.offset)
        )
        peer.wire.fate = fate
        facts = Facts(
            offset,
            offset,
            "0-0",
            {Kind.STATE: {b"total": b"%d" % memory}},
            {"commits": 1},
            [Alert(f"commit-{self.number}", b"")],
        )
        outcome = peer.store.commit(holding, facts, now_s=0.0)
        applied = self.stored().sequence == before.sequence + 1
        assert applied == (may and fate in ("answered", "reply lost"))
        if fate != "answered":
            assert outcome is Outcome.UNKNOWN
            peer.memory = memory
            return
        assert (outcome is Outcome.APPLIED) == may
        self.settle(peer, outcome, memory)

    def settle(self, peer: Peer, outcome: Outcome, memory: int) -> None:
        if outcome is Outcome.APPLIED:
            peer.memory = memory
            assert peer.memory == int(self.client.hget(state_key(0), "total") or 0)
        elif outcome is Outcome.LOST:
            peer.holding = None

    def resolve(self, who: int) -> None:
        peer = self.peers[who]
        if peer.holding is None or peer.holding.doubt is None:
            return
        doubt, stored = peer.holding.doubt, self.stored()
        held = self.client.get(lease_key(0)) == peer.holding.token.encode()
        outcome = peer.store.resolve(peer.holding)
        assert outcome is not Outcome.UNKNOWN
        assert (outcome is Outcome.APPLIED) == (held and stored.commit == doubt.commit)
        self.settle(peer, outcome, peer.memory)

    def deliver_late(self, who: int) -> None:
        if self.peers[who].wire.late:
            self.peers[who].wire.deliver()

    def renew(self, who: int) -> None:
        peer = self.peers[who]
        if peer.holding is not None and peer.leases.renew(peer.holding, now_s=0.0) is Standing.LOST:
            peer.holding = None

    def release(self, who: int) -> None:
        peer = self.peers[who]
        if peer.holding is not None:
            peer.leases.release(0, peer.holding.token)
            peer.holding = None

    def lease_runs_out(self, who: int) -> None:
        """And perhaps the other one is quick."""
        self.client.delete(lease_key(0))
        if self.peers[who].holding is None:
            self.begin(who)

    def scripts_are_flushed(self, _who: int) -> None:
        self.client.script_flush()
        self.client.script_load(COMMIT.source)  # the wire does not send late what is not known

    def holds(self) -> None:
        stored = self.stored()
        ids = [row[b"id"] for _, row in self.client.xrange(alerts_key(0))]
        assert len(set(ids)) == len(ids) == stored.sequence
        assert int(self.client.hget(counters_key(0), "commits") or 0) == stored.sequence
        assert int(self.client.hget(state_key(0), "total") or 0) == stored.sequence
        assert self.sequence <= stored.sequence <= self.sequence + 1
        epoch = int(self.client.get(epoch_key(0)) or 0)
        assert epoch >= self.epoch
        self.sequence, self.epoch = stored.sequence, epoch


def play(client: Client, moves: list[tuple[str, int, str]]) -> None:
    world = World(client)
    for move, who, fate in moves:
        if move == "commit":
            world.commit(who, fate)
        else:
            getattr(world, move)(who)
        world.holds()


# The usual course often, so that what is unusual meets owners in the middle of their work.
WEIGHTS = {
    "begin": 5,
    "commit": 8,
    "resolve": 4,
    "reload": 1,
    "deliver_late": 2,
    "renew": 1,
    "release": 1,
    "lease_runs_out": 2,
    "scripts_are_flushed": 1,
}
OWNERS = (0, 1)
FATES = ("answered", "answered", "answered", "reply lost", "never sent", "sent late")


def moves(seed: int, number: int) -> list[tuple[str, int, str]]:
    """Evenly drawn, which Hypothesis' own lists are not: they repeat themselves and reach few states."""
    random = Random(seed)
    kinds = random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=number)
    return [(kind, random.choice(OWNERS), random.choice(FATES)) for kind in kinds]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**64))
@example(0)
def test_no_interleaving_of_two_owners_loses_doubles_or_mixes_commits(client: Client, seed: int) -> None:
    play(client, moves(seed, 60))


@pytest.mark.full
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**64))
def test_no_interleaving_in_a_long_search(client: Client, seed: int) -> None:
    play(client, moves(seed, 100))


def test_a_late_commit_of_ones_own_is_not_taken_for_the_one_in_doubt(client: Client) -> None:
    late = [("begin", 0, ""), ("commit", 0, "sent late"), ("resolve", 0, ""), ("begin", 0, "")]
    play(
        client, [*late, ("commit", 0, "never sent"), ("deliver_late", 0, ""), ("resolve", 0, ""), ("begin", 0, "")]
    )


def test_a_late_commit_after_a_newer_one_changes_nothing(client: Client) -> None:
    late = [("begin", 0, ""), ("commit", 0, "sent late"), ("resolve", 0, ""), ("begin", 0, "")]
    play(client, [*late, ("commit", 0, "answered"), ("deliver_late", 0, ""), ("commit", 0, "answered")])
