"""Replicas that divide shards among themselves, join, leave, die, and have clocks that are wrong."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from services.inference.commit.link import Link
from services.inference.commit.store import ShardStore
from services.inference.ownership.tenure import Tenures
from shared.pinning import LayoutMismatch
from shared.redis.connection import Client
from shared.shards import REPLICAS_KEY, lease_key
from tests.real_redis import full
from tests.services.inference.tally import RETENTION

SHARDS = 12


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


Replica = tuple[Tenures, Clock]


@pytest.fixture
def replica(redis_url: str, client: Client) -> Iterator[Callable[..., Replica]]:
    links = []

    def make(name: str, start_s: float = 0.0, shards: int = SHARDS) -> Replica:
        links.append(Link(redis_url, timeout_s=5.0))
        clock = Clock(start_s)
        return Tenures(links[-1], name, shards, lease_s=6.0, beat_s=1.0, clock=clock), clock

    yield make
    for link in links:
        link.close()


def rounds(*replicas: Replica, seconds: int = 4) -> None:
    """Let time pass; everybody turns each second and gives back what it is told to."""
    for _ in range(seconds):
        for tenures, clock in replicas:
            clock.now += 1.0
            for holding in tenures.turn().leave:
                tenures.release(holding.shard)


def held(*replicas: Replica) -> list[set[int]]:
    return [set(tenures.held) for tenures, _ in replicas]


def fair(*replicas: Replica) -> bool:
    shares = held(*replicas)
    sizes = [len(share) for share in shares]
    return set().union(*shares) == set(range(SHARDS)) and sum(sizes) == SHARDS and max(sizes) - min(sizes) <= 1


def test_one_replica_owns_everything(replica: Callable[..., Replica]) -> None:
    a = replica("a")
    assert [h.shard for h in a[0].turn().load] == list(range(SHARDS))


def test_replicas_that_join_get_their_shares_and_no_shard_has_two_owners(replica: Callable[..., Replica]) -> None:
    group: list[Replica] = []
    for name in "abcd":
        group.append(replica(name))
        rounds(*group)
        assert fair(*group)


def test_who_leaves_hands_over_at_once(replica: Callable[..., Replica]) -> None:
    a, b = replica("a"), replica("b")
    rounds(a, b)
    b[0].close()
    rounds(a, seconds=1)
    assert len(a[0].held) == SHARDS


def test_who_dies_is_replaced_when_its_leases_end(replica: Callable[..., Replica], client: Client) -> None:
    a, b = replica("a"), replica("b")
    rounds(a, b)
    client.zrem(REPLICAS_KEY, "b")
    rounds(a)
    assert len(a[0].held) == SHARDS // 2  # its leases still stand
    client.delete(*(lease_key(shard) for shard in b[0].held))
    rounds(a, seconds=1)
    assert len(a[0].held) == SHARDS
    before = set(b[0].held)
    b[1].now += 10  # it was only asleep
    assert (set(b[0].turn().lost), b[0].held) == (before, {})


def test_who_does_not_beat_again_is_missed_at_once_and_not_a_beat_later(
    replica: Callable[..., Replica], client: Client
) -> None:
    tenures, clock = replica("a")
    seconds, micros = client.time()  # type: ignore[misc]  # sync client
    client.zadd(REPLICAS_KEY, {"ghost": seconds * 1000 + micros // 1000 + 300})
    tenures.turn()
    assert tenures.live == {"a", "ghost"}
    time.sleep(0.31)
    clock.now += 0.31
    tenures.turn()
    assert tenures.live == {"a"}


def test_clocks_hours_apart_divide_as_clocks_that_agree(replica: Callable[..., Replica]) -> None:
    group = [replica("a", 0.0), replica("b", 7 * 3600.0), replica("c", -5 * 3600.0)]
    rounds(*group)
    assert fair(*group)


def test_a_clock_that_leaps_forward_costs_nothing(replica: Callable[..., Replica]) -> None:
    a, b = replica("a"), replica("b")
    rounds(a, b)
    before = held(a, b)
    a[1].now += 3600.0
    rounds(a, b)
    assert held(a, b) == before


def test_between_beats_a_turn_asks_redis_nothing(replica: Callable[..., Replica], client: Client) -> None:
    a, _ = replica("a")
    a.turn()
    before = client.info("stats")["total_commands_processed"]
    a.turn()
    assert client.info("stats")["total_commands_processed"] - before == 1  # the question itself


def test_an_idle_replica_keeps_its_leases(replica: Callable[..., Replica], client: Client) -> None:
    a = replica("a")
    rounds(a, seconds=1)
    client.pexpire(lease_key(3), 1_000)
    rounds(a, seconds=3)
    assert client.pttl(lease_key(3)) > 5_000


def test_a_shard_to_be_left_is_named_until_it_is_released(replica: Callable[..., Replica]) -> None:
    a, b = replica("a"), replica("b")
    rounds(a, seconds=1)
    b[0].turn()
    a[1].now += 1.0
    first, second = a[0].turn().leave, a[0].turn().leave
    assert len(first) == SHARDS // 2
    assert first == second
    assert not b[0].held


def test_what_is_loaded_is_not_named_again(replica: Callable[..., Replica], redis_url: str) -> None:
    a, _ = replica("a")
    link = Link(redis_url, timeout_s=5.0)
    store = ShardStore(link, lease_ms=6_000, retention=RETENTION)
    turn = a.turn()
    for holding in turn.load[:5]:
        store.load(holding)
    assert [h.shard for h in a.turn().load] == list(range(5, SHARDS))
    link.close()


def test_a_start_with_another_number_of_shards_is_refused(replica: Callable[..., Replica]) -> None:
    replica("a")[0].turn()
    with pytest.raises(LayoutMismatch, match="set up with 12 shards, this start asks for 8"):
        replica("b", shards=8)[0].turn()


def test_epochs_only_grow(replica: Callable[..., Replica], client: Client) -> None:
    epochs = []
    for name in "abc":
        tenures, _ = replica(name)
        tenures.turn()
        epochs.append(tenures.held[0].epoch)
        tenures.close()
    assert all(later > earlier for earlier, later in pairwise(epochs))


def test_a_full_redis_gets_new_owners(client: Client, replica: Callable[..., Replica]) -> None:
    replica("before")[0].turn()
    client.delete(REPLICAS_KEY, *(lease_key(shard) for shard in range(SHARDS)))  # as after a failure of them all
    with full(client):
        group = [replica("a"), replica("b")]
        rounds(*group)
        assert fair(*group)
