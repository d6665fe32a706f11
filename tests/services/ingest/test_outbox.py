"""The outbox: nothing offered is forgotten, a shard keeps its order, and the bound holds."""

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.ingest.outbox import Batch, Dropped, Entry, Outbox, Ticket


def batch(shard: int = 0, data: bytes = b"x" * 10, ticket: Ticket | None = None) -> Batch:
    return Batch(shard, data, 1, ticket or Ticket(0.0, 1))


def outbox(limit: int = 1000, keep_s: float = 5.0) -> Outbox:
    return Outbox(limit, keep_s)


def test_batches_of_a_shard_share_an_entry_up_to_its_limit() -> None:
    box = outbox()
    for _ in range(5):
        box.put(batch())
    assert [entry.size for entry in box.take(entry_bytes=20, total_bytes=1000)] == [20, 20, 10]


def test_a_take_stops_at_its_total() -> None:
    box = outbox()
    for shard in range(5):
        box.put(batch(shard))
    assert len(box.take(entry_bytes=10, total_bytes=25)) == 3
    assert sum(len(queue) for queue in box.waiting.values()) == 2


def test_shards_with_the_oldest_frames_go_first() -> None:
    box = outbox()
    for shard in (3, 1, 2):
        box.put(batch(shard))
    assert [entry.shard for entry in box.take(100, 1000)] == [3, 1, 2]


def test_a_ticket_resolves_when_its_last_batch_is_confirmed() -> None:
    box, ticket = outbox(), Ticket(0.0, 2)
    box.put(batch(0, ticket=ticket))
    box.put(batch(1, ticket=ticket))
    first, second = box.take(100, 1000)
    assert box.confirm(first, 0.0) == []
    assert not ticket.done()
    assert box.confirm(second, 0.0) == [ticket]
    assert ticket.result(0) is None


def test_what_is_given_back_leaves_before_what_came_later() -> None:
    box = outbox()
    box.put(batch(data=b"1"))
    taken = box.take(100, 1000)
    box.put(batch(data=b"2"))
    box.give_back(taken)
    assert [entry.data for entry in box.take(100, 1000)] == [b"12"]


def test_what_was_confirmed_lately_is_sent_again_before_all_else() -> None:
    box = outbox()
    for data, at in ((b"1", 1.0), (b"2", 2.0), (b"3", 6.5)):
        box.put(batch(data=data))
        for entry in box.take(100, 1000):
            box.confirm(entry, now=at)
    box.put(batch(data=b"4"))
    assert box.recall() == 2
    assert [entry.data for entry in box.take(100, 1000)] == [b"234"]


def test_a_server_that_hung_for_long_before_it_died_gets_all_again_that_it_confirmed_last() -> None:
    """What it confirmed just before it hung was never on its disk, however long ago that is now."""
    box = outbox()
    box.put(batch(data=b"1"))
    for entry in box.take(100, 1000):
        box.confirm(entry, now=0.0)
    box.put(batch(data=b"2"))
    box.give_back(box.take(100, 1000))  # an hour later: it does not answer
    assert box.recall() == 1
    assert [entry.data for entry in box.take(100, 1000)] == [b"12"]


def test_a_frame_sent_again_resolves_its_ticket_only_once() -> None:
    box, ticket = outbox(), Ticket(0.0, 1)
    box.put(batch(ticket=ticket))
    (entry,) = box.take(100, 1000)
    assert box.confirm(entry, 0.0) == [ticket]
    box.recall()
    (entry,) = box.take(100, 1000)
    assert box.confirm(entry, 0.0) == []
    assert box.buffered_bytes == 0


def test_dropping_takes_the_oldest_and_tells_their_tickets() -> None:
    box = outbox(limit=30)
    tickets = [Ticket(0.0, 1) for _ in range(3)]
    for shard, ticket in zip((2, 0, 1), tickets, strict=True):
        box.put(batch(shard, ticket=ticket))
    assert [b.shard for b in box.drop_oldest(20)] == [2, 0]
    with pytest.raises(Dropped):
        tickets[0].result(0)
    assert not tickets[2].done()


def test_one_offer_larger_than_the_bound_fits_an_empty_outbox() -> None:
    assert not outbox(limit=10).over(1000)


class OutboxMachine(RuleBasedStateMachine):
    """Any sequence of sends, failures and restarts: a model that keeps every batch by number checks the outbox."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox(limit_bytes=200, keep_s=5.0)
        self.now = 0.0
        self.number = 0
        self.in_flight: list[Entry] = []
        self.received: dict[int, list[int]] = defaultdict(list)
        self.offered: dict[int, list[int]] = defaultdict(list)
        self.dropped: set[int] = set()

    @rule(shard=st.integers(0, 3), size=st.integers(4, 60))
    def offer(self, shard: int, size: int) -> None:
        if self.box.over(size):
            for gone in self.box.drop_oldest(size):
                self.dropped.add(int.from_bytes(gone.data[:4], "big"))
        self.box.put(batch(shard, self.number.to_bytes(4, "big") + bytes(size - 4)))
        self.offered[shard].append(self.number)
        self.number += 1

    @precondition(lambda self: not self.in_flight)
    @rule(entry=st.integers(60, 120), total=st.integers(60, 300))
    def take(self, entry: int, total: int) -> None:
        self.in_flight = self.box.take(entry, total)
        assert all(taken.size <= entry for taken in self.in_flight)

    @precondition(lambda self: self.in_flight)
    @rule(applied=st.booleans(), data=st.data())
    def fail(self, applied: bool, data: st.DataObject) -> None:
        reached = data.draw(st.integers(0, len(self.in_flight))) if applied else 0
        for entry in self.in_flight[:reached]:
            self.receive(entry)
        self.box.give_back(self.in_flight)
        self.in_flight = []

    @precondition(lambda self: self.in_flight)
    @rule(seconds=st.floats(0, 3))
    def confirm(self, seconds: float) -> None:
        self.now += seconds
        for entry in self.in_flight:
            self.receive(entry)
            self.box.confirm(entry, self.now)
        self.in_flight = []

    @precondition(lambda self: not self.in_flight)
    @rule()
    def restart(self) -> None:
        self.box.recall()

    def receive(self, entry: Entry) -> None:
        self.received[entry.shard].extend(int.from_bytes(b.data[:4], "big") for b in entry.batches)

    @invariant()
    def what_is_buffered_is_what_waits_or_flies(self) -> None:
        waiting = sum(len(b.data) for queue in self.box.waiting.values() for b in queue)
        assert self.box.buffered_bytes == waiting + sum(entry.size for entry in self.in_flight)

    @invariant()
    def a_shard_waits_in_order(self) -> None:
        for queue in self.box.waiting.values():
            numbers = [b.order for b in queue]
            assert numbers == sorted(numbers)
            assert len(set(numbers)) == len(numbers)

    def teardown(self) -> None:
        if self.in_flight:
            self.box.give_back(self.in_flight)
            self.in_flight = []
        for entry in self.box.take(60, 10**9):
            self.receive(entry)
            self.box.confirm(entry, self.now)
        assert self.box.buffered_bytes == 0
        for shard, numbers in self.offered.items():
            first_seen = list(dict.fromkeys(self.received[shard]))
            assert first_seen == [n for n in numbers if n in set(first_seen)]
            assert set(numbers) - self.dropped <= set(first_seen)


OutboxMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnySequence = OutboxMachine.TestCase
