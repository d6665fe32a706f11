"""Leases and heartbeats against a real Redis."""

from collections.abc import Iterator

import pytest

from services.inference.commit.link import Link
from services.inference.commit.store import Holding, ShardStore
from services.inference.ownership.heartbeat import Heartbeats
from services.inference.ownership.lease import Leases, Standing, new_token
from shared.redis.connection import Client
from shared.shards import REPLICAS_KEY, epoch_key, lease_key, position_key
from tests.services.inference.tally import RETENTION
from tests.waiting import until


@pytest.fixture
def link(redis_url: str) -> Iterator[Link]:
    link = Link(redis_url, timeout_s=5.0)
    yield link
    link.close()


@pytest.fixture
def leases(link: Link) -> Leases:
    return Leases(link, lease_ms=60_000)


def acquire(leases: Leases, replica: str = "a", now_s: float = 0.0) -> Holding:
    holding = leases.acquire(0, new_token(replica), now_s=now_s)
    assert holding is not None
    return holding


def test_an_unexpired_lease_is_never_taken(client: Client, leases: Leases) -> None:
    held = acquire(leases)
    assert leases.acquire(0, new_token("b"), now_s=0.0) is None
    assert client.get(lease_key(0)) == held.token.encode()


def test_every_tenure_has_a_new_epoch_and_a_new_token(client: Client, leases: Leases) -> None:
    tenures = []
    for _ in range(3):
        tenures.append(acquire(leases))
        client.delete(lease_key(0))  # it ran out
    assert [holding.epoch for holding in tenures] == [1, 2, 3]
    assert len({holding.token for holding in tenures}) == 3
    assert client.ttl(epoch_key(0)) == -1


def test_a_lease_that_runs_out_can_be_had(client: Client, link: Link) -> None:
    short = Leases(link, lease_ms=30)
    acquire(short)
    until(lambda: short.acquire(0, "b:1", now_s=0.0), "the lease")
    assert client.get(lease_key(0)) == b"b:1"


def test_a_try_whose_reply_was_lost_is_found_granted_by_the_next(leases: Leases) -> None:
    token = new_token("a")
    first = leases.acquire(0, token, now_s=0.0)
    second = leases.acquire(0, token, now_s=1.0)
    assert first is not None
    assert second is not None
    assert (second.epoch, second.renewed_s) == (first.epoch, 1.0)


def test_an_idle_owner_keeps_its_shard(client: Client, leases: Leases) -> None:
    holding = acquire(leases)
    client.pexpire(lease_key(0), 5_000)
    assert leases.renew(holding, now_s=9.0) is Standing.HELD
    assert (client.pttl(lease_key(0)) > 50_000, holding.renewed_s) == (True, 9.0)


def test_who_lost_the_lease_cannot_renew_or_release_it(client: Client, leases: Leases) -> None:
    stale = acquire(leases)
    client.delete(lease_key(0))
    fresh = acquire(leases, "b")
    assert leases.renew(stale, now_s=9.0) is Standing.LOST
    assert not leases.release(0, stale.token)
    assert client.get(lease_key(0)) == fresh.token.encode()


def test_a_renewal_notices_that_redis_forgot_commits(client: Client, link: Link, leases: Leases) -> None:
    client.hset(position_key(0), "sequence", 7)
    holding = acquire(leases)
    ShardStore(link, lease_ms=60_000, retention=RETENTION).load(holding)
    assert leases.renew(holding, now_s=1.0) is Standing.HELD
    client.hset(position_key(0), "sequence", 6)
    assert leases.renew(holding, now_s=2.0) is Standing.MOVED
    assert holding.position is None


def test_a_released_shard_can_be_had_at_once(leases: Leases) -> None:
    holding = acquire(leases)
    assert leases.release(0, holding.token)
    assert acquire(leases, "b").epoch == 2


@pytest.mark.parametrize("left_ms", [3_600_000, None])
def test_a_lease_that_outlasts_ours_is_shortened_not_taken(
    client: Client, leases: Leases, left_ms: int | None
) -> None:
    client.set(lease_key(0), "other", px=left_ms)
    assert leases.acquire(0, new_token("b"), now_s=0.0) is None
    assert 0 < client.pttl(lease_key(0)) <= 60_000


def test_live_replicas_see_each_other(link: Link) -> None:
    a, b = (Heartbeats(link, name, keep_ms=60_000) for name in "ab")
    assert [each.beat().replicas for each in (a, b, a)] == [{"a"}, {"a", "b"}, {"a", "b"}]


def test_who_leaves_is_gone_at_once(link: Link) -> None:
    a, b = (Heartbeats(link, name, keep_ms=60_000) for name in "ab")
    a.beat()
    a.stop()
    assert b.beat().replicas == {"b"}


def test_who_falls_silent_is_gone_in_time(link: Link) -> None:
    Heartbeats(link, "a", keep_ms=30).beat()
    b = Heartbeats(link, "b", keep_ms=60_000)
    until(lambda: b.beat().replicas == {"b"}, "the end of a")


def test_nobody_counts_as_live_for_longer_than_who_beats_now(client: Client, link: Link) -> None:
    """As after Redis' own clock was set back by years."""
    client.zadd(REPLICAS_KEY, {"ghost": 4_000_000_000_000})
    b = Heartbeats(link, "b", keep_ms=60_000)
    assert b.beat().replicas == {"ghost", "b"}
    assert client.zscore(REPLICAS_KEY, "ghost") == client.zscore(REPLICAS_KEY, "b")
