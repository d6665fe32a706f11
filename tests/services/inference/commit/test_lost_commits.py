"""A commit whose reply, or request, got lost; over a relay that loses it."""

from collections.abc import Callable
from typing import Any

import pytest

from services.inference.commit.facts import Facts, Retention
from services.inference.commit.link import Link
from services.inference.commit.script import COMMIT
from services.inference.commit.store import Holding, InDoubt, Outcome, ShardStore
from services.inference.ownership.lease import Leases, new_token
from shared.redis.connection import Client
from shared.redis.embedded import EmbeddedServer
from shared.shards import counters_key, lease_key
from tests.services.inference.tally import Owner, Scenario, fill

SHARD = 1
FACTS = Facts("5-0", "5-0", "0-0", counters={"n": 1})


@pytest.fixture
def relay(redis_server: EmbeddedServer, client: Client, relay_to: Callable[..., Any]) -> Any:
    return relay_to(redis_server.port)


@pytest.fixture
def over(relay: Any) -> Any:
    """A store and a loaded holding whose commits go over the relay."""
    link = Link(f"redis://127.0.0.1:{relay.port}", timeout_s=2.0)
    link.client.script_load(COMMIT.source)
    store = ShardStore(link, lease_ms=60_000, retention=Retention(10, 1000, 10, 10))
    holding = Leases(link, lease_ms=60_000).acquire(SHARD, new_token("r"), now_s=0.0)
    assert holding is not None
    store.load(holding)
    yield store, holding
    link.close()


def test_an_applied_commit_whose_reply_was_lost_is_found_applied(relay: Any, over: Any, client: Client) -> None:
    store, holding = over
    relay.lose(COMMIT.digest.encode())
    assert store.commit(holding, FACTS, now_s=0) is Outcome.UNKNOWN
    assert store.resolve(holding) is Outcome.APPLIED
    assert holding.position.sequence == 1
    assert store.commit(holding, Facts("6-0", "6-0", "0-0", counters={"n": 1}), now_s=0) is Outcome.APPLIED
    assert (relay.lost, client.hget(counters_key(SHARD), "n")) == (1, b"2")


def test_a_commit_that_never_arrived_means_loading_again(relay: Any, over: Any, client: Client) -> None:
    store, holding = over
    relay.drop(COMMIT.digest.encode())
    assert store.commit(holding, FACTS, now_s=0) is Outcome.UNKNOWN
    assert store.resolve(holding) is Outcome.MOVED
    assert not client.exists(counters_key(SHARD))
    assert store.load(holding).position.sequence == 0
    assert store.commit(holding, FACTS, now_s=0) is Outcome.APPLIED


def test_an_owner_in_doubt_that_was_replaced_finds_out(relay: Any, over: Any, client: Client) -> None:
    store, holding = over
    relay.lose(COMMIT.digest.encode())
    store.commit(holding, FACTS, now_s=0)
    client.set(lease_key(SHARD), "other")
    assert store.resolve(holding) is Outcome.LOST


def test_nothing_is_committed_while_a_commit_is_in_doubt(relay: Any, over: Any) -> None:
    store, holding = over
    relay.lose(COMMIT.digest.encode())
    store.commit(holding, FACTS, now_s=0)
    with pytest.raises(InDoubt):
        store.commit(holding, FACTS, now_s=0)


def test_without_a_doubt_there_is_nothing_to_resolve(over: Any) -> None:
    store, holding = over
    with pytest.raises(InDoubt, match="no commit is in doubt"):
        store.resolve(holding)


def test_a_commit_that_arrives_late_harms_nobody(relay: Any, over: Any, client: Client) -> None:
    """The owner looks before its commit arrives, loads, and goes on: its next commit finds out."""
    store, holding = over
    relay.drop(COMMIT.digest.encode())
    store.commit(holding, FACTS, now_s=0)
    doubt, token = holding.doubt, holding.token
    assert store.resolve(holding) is Outcome.MOVED
    store.load(holding)
    late = Holding(SHARD, token, 1, 0.0, generation=holding.generation)
    store.load(late)
    assert store.commit(late, FACTS, now_s=0) is Outcome.APPLIED  # what was on its way, from the same memory
    assert doubt.sequence == late.position.sequence
    assert store.commit(holding, FACTS, now_s=0) is Outcome.MOVED
    assert client.hget(counters_key(SHARD), "n") == b"1"


@pytest.mark.parametrize("loss", ["lose", "drop"])
def test_a_run_over_a_network_that_breaks_ends_as_one_without(
    relay: Any, client: Client, entries: Scenario, expected: Any, finish: Any, loss: str
) -> None:
    fill(client, entries)
    owner = Owner(f"redis://127.0.0.1:{relay.port}", "r", 2, most=5, timeout_s=2.0)

    class Breaking:
        def turn(self) -> None:
            getattr(relay, loss)(COMMIT.digest.encode())
            owner.turn()

    # Long enough without a loss to read again what an open window needs, and a little more.
    assert finish(client, entries, Breaking(), owner, owner, owner) == expected
    assert owner.outcomes[Outcome.UNKNOWN] >= 2
    owner.close()


def test_commits_that_travelled_together_are_in_doubt_together_and_each_finds_out(
    relay: Any, over: Any, client: Client
) -> None:
    store, first = over
    link = store._link
    second = Leases(link, lease_ms=60_000).acquire(SHARD + 1, new_token("r"), now_s=0.0)
    assert second is not None
    store.load(second)
    relay.lose(COMMIT.digest.encode())
    assert store.commit_many([(first, FACTS), (second, FACTS)], now_s=0) == [Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert [store.resolve(first), store.resolve(second)] == [Outcome.APPLIED, Outcome.APPLIED]
    assert client.hget(counters_key(SHARD + 1), "n") == b"1"
