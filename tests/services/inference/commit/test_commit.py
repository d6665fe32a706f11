"""One commit against a real Redis: what it stores, when it refuses, and that it is all or nothing."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from services.inference.commit.facts import DEAD_LETTER_BYTES, Alert, DeadLetter, Facts, Kind, Retention
from services.inference.commit.link import Link
from services.inference.commit.point import POINT
from services.inference.commit.script import COMMIT
from services.inference.commit.store import Holding, Outcome, ShardStore
from services.inference.ownership.lease import Leases, new_token
from shared.position import ShardPosition
from shared.redis.connection import Client
from shared.shards import (
    alerts_key,
    audit_key,
    commands_key,
    counters_key,
    dead_letters_key,
    latest_key,
    lease_key,
    marks_key,
    parked_key,
    position_key,
    trend_key,
)

SHARD = 3
RETENTION = Retention(
    alerts_max=500, alerts_keep_ms=60_000, audit_max=500, dead_letters_max=300, audit_keep_ms=120_000
)


@pytest.fixture
def link(redis_url: str) -> Iterator[Link]:
    link = Link(redis_url, timeout_s=5.0)
    yield link
    link.close()


@pytest.fixture
def store(link: Link) -> ShardStore:
    return ShardStore(link, lease_ms=60_000, retention=RETENTION)


@pytest.fixture
def hold(link: Link, store: ShardStore) -> Callable[[], Holding]:
    """Acquire and load the shard, whoever had it."""

    def take() -> Holding:
        link.client.delete(lease_key(SHARD))
        holding = Leases(link, lease_ms=60_000).acquire(SHARD, new_token("r"), now_s=0.0)
        assert holding is not None
        assert store.load(holding) is not None
        return holding

    return take


def facts(offset: str = "5-0", **rest: Any) -> Facts:
    return Facts(**({"offset": offset, "rewind": offset, "command": "0-0"} | rest))


def test_a_commit_stores_everything_and_moves_on(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    everything = facts(
        patients={
            Kind.MARK: {b"a": b"mark"},
            Kind.STATE: {b"a": b"\x00\xff state"},
            Kind.PARKED: {b"b": b""},
            Kind.LATEST: {b"a": b"0.7"},
        },
        counters={"windows": 2, "score_le_1": 1},
        alerts=[Alert("a/1", b"one"), Alert("a/2", b"two")],
        audit=[b"muted"],
        dead=[DeadLetter("checksum", "4-0", b"junk")],
    )
    assert store.commit(holding, everything, now_s=7.0) is Outcome.APPLIED
    assert (holding.position.offset, holding.position.sequence, holding.renewed_s) == ("5-0", 1, 7.0)
    assert ShardPosition.from_redis(client.hgetall(position_key(SHARD))) == holding.position
    assert client.hgetall(marks_key(SHARD)) == {b"a": b"mark"}
    assert client.hgetall(parked_key(SHARD)) == {b"b": b""}
    assert client.hgetall(latest_key(SHARD)) == {b"a": b"0.7"}
    assert client.hgetall(counters_key(SHARD)) == {b"windows": b"2", b"score_le_1": b"1"}
    assert [row for _, row in client.xrange(alerts_key(SHARD))] == [
        {b"id": b"a/1", b"body": b"one"},
        {b"id": b"a/2", b"body": b"two"},
    ]
    assert [row for _, row in client.xrange(audit_key(SHARD))] == [{b"body": b"muted"}]
    assert [row for _, row in client.xrange(dead_letters_key(SHARD))] == [
        {b"reason": b"checksum", b"entry": b"4-0", b"bytes": b"4", b"data": b"junk"}
    ]


def test_what_was_committed_is_what_the_next_owner_loads(store: ShardStore, hold: Any) -> None:
    kept = {
        Kind.MARK: {b"a": b"m"},
        Kind.STATE: {b"a": b"s"},
        Kind.PARKED: {b"b": b"p"},
        Kind.ROSTER: {b"a": b"d"},
        Kind.SILENCE: {b"\0": b"q"},
        Kind.ROSTER: {b"a": b"d"},
    }
    store.commit(hold(), facts(patients=kept | {Kind.LATEST: {b"a": b"0.7"}}), now_s=0)
    holding = hold()
    snapshot = store.load(holding)
    assert snapshot is not None
    assert (snapshot.position.offset, snapshot.patients) == ("5-0", kept)


def test_a_commit_writes_only_what_changed_and_removes_what_is_gone(
    client: Client, store: ShardStore, hold: Any
) -> None:
    holding = hold()
    store.commit(holding, facts(patients={Kind.PARKED: {b"a": b"1", b"b": b"2", b"c": b"3"}}), now_s=0)
    store.commit(holding, facts(patients={Kind.PARKED: {b"a": None, b"b": b"4"}}), now_s=0)
    assert client.hgetall(parked_key(SHARD)) == {b"b": b"4", b"c": b"3"}


def test_counters_add_up_over_commits(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    for _ in range(3):
        store.commit(holding, facts(counters={"windows": 4, "active": -1, "none": 0}), now_s=0)
    assert client.hgetall(counters_key(SHARD)) == {b"windows": b"12", b"active": b"-3"}


def test_thousands_of_patients_and_long_values_fit_one_commit(
    client: Client, store: ShardStore, hold: Any
) -> None:
    marks = {b"patient-%d" % i: b"x" * (i % 700) for i in range(9_000)} | {b"long": b"y" * 70_000}
    holding = hold()
    assert store.commit(holding, facts(patients={Kind.MARK: marks}), now_s=0) is Outcome.APPLIED
    assert client.hgetall(marks_key(SHARD)) == marks
    gone: dict[bytes, bytes | None] = dict.fromkeys(marks)
    assert store.commit(holding, facts(patients={Kind.MARK: gone}), now_s=0) is Outcome.APPLIED
    assert client.hgetall(marks_key(SHARD)) == {}


def test_the_stale_of_two_owners_writes_nothing(client: Client, store: ShardStore, hold: Any) -> None:
    stale = hold()
    fresh = hold()
    before = client.dump(position_key(SHARD))
    assert store.commit(stale, facts(alerts=[Alert("x", b"")], counters={"n": 1}), now_s=0) is Outcome.LOST
    assert (client.dump(position_key(SHARD)), client.xlen(alerts_key(SHARD))) == (before, 0)
    assert store.commit(fresh, facts(), now_s=0) is Outcome.APPLIED


def test_an_owner_whose_lease_has_run_out_writes_nothing(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    client.pexpire(lease_key(SHARD), 1)
    while client.exists(lease_key(SHARD)):
        pass
    assert store.commit(holding, facts(counters={"n": 1}), now_s=0) is Outcome.LOST
    assert not client.exists(position_key(SHARD), counters_key(SHARD))


def test_memory_behind_what_is_stored_writes_nothing(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    client.hset(position_key(SHARD), "sequence", 9)
    assert store.commit(holding, facts(counters={"n": 1}), now_s=0) is Outcome.MOVED
    assert not client.exists(counters_key(SHARD))


def test_memory_ahead_of_a_redis_that_forgot_writes_nothing(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    store.commit(holding, facts("5-0"), now_s=0)
    client.delete(position_key(SHARD))
    assert store.commit(holding, facts("6-0", counters={"n": 1}), now_s=0) is Outcome.MOVED
    assert not client.exists(counters_key(SHARD))


def test_after_a_refusal_nothing_is_committed_without_loading(store: ShardStore, hold: Any) -> None:
    stale = hold()
    hold()
    store.commit(stale, facts(), now_s=0)
    assert store.commit(stale, facts(), now_s=0) is Outcome.MOVED


def test_discarded_memory_commits_nothing_until_it_is_loaded(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    holding.discard()
    assert store.commit(holding, facts(), now_s=0) is Outcome.MOVED
    assert not client.exists(position_key(SHARD))
    assert store.load(holding) is not None
    assert store.commit(holding, facts(), now_s=0) is Outcome.APPLIED


def test_a_lost_lease_cannot_be_loaded(store: ShardStore, hold: Any) -> None:
    stale = hold()
    hold()
    assert store.load(stale) is None


def test_the_same_commit_delivered_twice_is_applied_once(client: Client, link: Link, hold: Any) -> None:
    sent: list[Any] = []

    class Recording:
        def evalsha(self, *arguments: Any) -> Any:
            sent.append(arguments)
            return link.client.evalsha(*arguments)

        def eval(self, *arguments: Any) -> Any:
            return link.client.eval(*arguments)

    holding = hold()
    recorded = Link.__new__(Link)
    recorded.generation, recorded.client = link.generation, Recording()  # type: ignore[assignment]
    ShardStore(recorded, lease_ms=60_000, retention=RETENTION).commit(holding, facts(counters={"n": 1}), now_s=0)
    assert link.client.evalsha(*sent[-1])[0] == b"applied"
    assert client.hget(counters_key(SHARD), "n") == b"1"


def test_a_flushed_script_is_sent_again_and_applied_once(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    for _ in range(3):
        client.script_flush()
        assert store.commit(holding, facts(counters={"n": 1}), now_s=0) is Outcome.APPLIED
    assert client.hget(counters_key(SHARD), "n") == b"3"
    assert client.script_exists(COMMIT.digest) == [True]


def test_a_commit_extends_the_lease(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    client.pexpire(lease_key(SHARD), 5_000)
    store.commit(holding, facts(), now_s=0)
    assert 50_000 < client.pttl(lease_key(SHARD)) <= 60_000


@pytest.mark.parametrize(
    ("back", "what"),
    [
        ({"offset": "4-9", "rewind": "5-0"}, "offset would go back"),
        ({"rewind": "4-9"}, "rewind would go back"),
        ({"command": "1-0"}, "command would go back"),
        ({"rewind": "5-2"}, "lies beyond"),
    ],
)
def test_facts_that_go_back_or_skip_are_refused(store: ShardStore, hold: Any, back: Any, what: str) -> None:
    holding = hold()
    store.commit(holding, facts("5-0", command="2-0"), now_s=0)
    with pytest.raises(ValueError, match=what):
        store.commit(holding, facts(**({"offset": "5-0", "command": "2-0"} | back)), now_s=0)
    assert store.commit(holding, facts("5-0", rewind="5-1", command="2-0"), now_s=0) is Outcome.APPLIED


def test_a_key_of_a_wrong_type_is_found_before_anything_is_written(
    client: Client, store: ShardStore, link: Link
) -> None:
    client.set(alerts_key(SHARD), "foreign")
    holding = Leases(link, lease_ms=60_000).acquire(SHARD, new_token("r"), now_s=0.0)
    assert holding is not None
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        store.load(holding)


def test_what_only_grows_is_bounded(client: Client, store: ShardStore, hold: Any) -> None:
    holding = hold()
    for _ in range(20):
        grown = facts(
            alerts=[Alert("x", b"body")] * 100,
            audit=[b"done"] * 100,
            dead=[DeadLetter("checksum", "4-0", b"j" * 10_000)] * 100,
        )
        store.commit(holding, grown, now_s=0)
    assert 500 <= client.xlen(alerts_key(SHARD)) <= 600
    assert 500 <= client.xlen(audit_key(SHARD)) <= 600
    assert 300 <= client.xlen(dead_letters_key(SHARD)) <= 400
    _, row = client.xrange(dead_letters_key(SHARD), count=1)[0]
    assert (len(row[b"data"]), row[b"bytes"]) == (DEAD_LETTER_BYTES, b"10000")


def test_old_alerts_go(client: Client, store: ShardStore, hold: Any) -> None:
    for number in range(300):
        client.xadd(alerts_key(SHARD), {"id": "old", "body": "x"}, id=f"1-{number}")
    store.commit(hold(), facts(alerts=[Alert("new", b"")]), now_s=0)
    assert client.xlen(alerts_key(SHARD)) <= 100


def test_applied_commands_are_trimmed(client: Client, store: ShardStore, hold: Any) -> None:
    for number in range(300):
        client.xadd(commands_key(SHARD), {"do": "mute"}, id=f"1-{number}")
    store.commit(hold(), facts(command="1-250"), now_s=0)
    left = [entry_id for entry_id, _ in client.xrange(commands_key(SHARD))]
    assert len(left) <= 100
    assert left[-1] == b"1-299"


def test_a_full_redis_still_takes_commits_and_owners(start_redis: Any) -> None:
    port = start_redis("--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
    link = Link(f"redis://127.0.0.1:{port}", timeout_s=5.0)
    store = ShardStore(link, lease_ms=60_000, retention=RETENTION)
    for size in (100_000, 1_000, 1):
        with suppress(OutOfMemoryError):
            for number in range(100_000):
                link.client.set(f"filler{size}/{number}", bytes(size))
    with pytest.raises(OutOfMemoryError):
        link.client.set("one more", bytes(1_000))
    holding = Leases(link, lease_ms=60_000).acquire(SHARD, new_token("r"), now_s=0.0)
    assert holding is not None
    assert store.load(holding) is not None
    some = facts(patients={Kind.MARK: {b"a": b"m"}}, alerts=[Alert("a", b"")], counters={"n": 1})
    assert store.commit(holding, some, now_s=0) is Outcome.APPLIED
    link.close()


def test_commits_of_several_shards_have_outcomes_of_their_own(
    client: Client, link: Link, store: ShardStore
) -> None:
    leases = Leases(link, lease_ms=60_000)
    held = [leases.acquire(shard, new_token("r"), now_s=0.0) for shard in range(4)]
    holdings = [holding for holding in held if holding is not None]
    for holding in holdings:
        store.load(holding)
    client.delete(lease_key(1))
    client.hset(position_key(2), "sequence", 7)
    holdings[3].discard()
    client.script_flush()
    outcomes = store.commit_many([(h, facts(counters={"n": 1})) for h in holdings], now_s=3.0)
    assert outcomes == [Outcome.APPLIED, Outcome.LOST, Outcome.MOVED, Outcome.MOVED]
    assert [client.hget(counters_key(shard), "n") for shard in range(4)] == [b"1", None, None, None]
    assert (holdings[0].renewed_s, [h.position is not None for h in holdings]) == (
        3.0,
        [True, False, False, False],
    )


def test_a_fault_of_one_shard_leaves_the_others_settled(client: Client, link: Link, store: ShardStore) -> None:
    leases = Leases(link, lease_ms=60_000)
    held = [leases.acquire(shard, new_token("r"), now_s=0.0) for shard in range(2)]
    holdings = [holding for holding in held if holding is not None]
    for holding in holdings:
        store.load(holding)
    client.set(counters_key(0), "not a hash")
    with pytest.raises(ResponseError):
        store.commit_many([(h, facts(counters={"n": 1})) for h in holdings], now_s=0)
    assert client.hget(counters_key(1), "n") == b"1"
    assert (holdings[0].doubt is None, holdings[1].doubt is None) == (False, True)


def test_no_commit_at_all_is_none(store: ShardStore) -> None:
    assert store.commit_many([], now_s=0) == []


def test_a_trend_keeps_its_newest_points_in_order_and_expires(link: Link, hold: Any) -> None:
    retention = replace(RETENTION, trend_points=5, trend_keep_ms=60_000)
    store = ShardStore(link, lease_ms=60_000, retention=retention)
    made = [bytes([number]) * POINT.itemsize for number in range(12)]
    holding = hold()
    for part in (made[:3], made[3:4], made[4:]):
        assert store.commit(holding, facts(trend={b"a": b"".join(part)}), now_s=0) is Outcome.APPLIED
    key = trend_key(holding.shard, b"a")
    assert link.client.lrange(key, 0, -1) == made[-5:]
    assert 0 < link.client.pttl(key) <= 60_000


def aged(client: Client, key: str, age_s: float, **entry: str) -> None:
    """An entry as it was added so long ago."""
    fields: Any = entry
    client.xadd(key, fields, id=f"{round((client.time()[0] - age_s) * 1000)}-0")


def test_every_commit_removes_what_is_too_old_to_the_entry(client: Client, store: ShardStore, hold: Any) -> None:
    ages = {alerts_key(SHARD): 60, dead_letters_key(SHARD): 60, audit_key(SHARD): 120}
    for key, keep_s in ages.items():
        for age_s in (keep_s + 9, keep_s + 5, keep_s - 30):
            aged(client, key, age_s, body=str(age_s))
    store.commit(hold(), facts(), now_s=0)
    for key, keep_s in ages.items():
        assert [row for _, row in client.xrange(key)] == [{b"body": b"%d" % (keep_s - 30)}]


def test_what_a_silent_shard_keeps_ends_by_itself(client: Client, store: ShardStore, hold: Any) -> None:
    everything = facts(alerts=[Alert("a", b"one")], audit=[b"muted"], dead=[DeadLetter("checksum", "4-0", b"x")])
    store.commit(hold(), everything, now_s=0)
    for key, keep_s in ((alerts_key(SHARD), 60), (dead_letters_key(SHARD), 60), (audit_key(SHARD), 120)):
        assert keep_s * 1000 - 10_000 < client.pttl(key) <= keep_s * 1000
