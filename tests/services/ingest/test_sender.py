"""The sender against a real Redis: nothing is lost while it is away, killed, full or forgetful."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from benchmarks.consumer import Consumer, Coverage
from services.ingest.outbox import Dropped
from services.ingest.parcel import Parcel
from services.ingest.sender import Sender, SenderClosed
from shared.frames import Frames, decode, headers
from shared.position import ShardPosition
from shared.redis.connection import Client, RedisUnavailable, connect, server_info
from shared.settings import Settings, load
from shared.shards import BATCH_FIELD, position_key, stream_key
from tests.real_redis import OwnRedis
from tests.waiting import until

SHARDS = 4


def settings(*overrides: str) -> Settings:
    return load(environ={}, overrides=["ingest.upkeep_s=0.05", "redis.timeout_s=1", *overrides]).settings


def parcel(index: int, patients: int = 20, count: int = 50) -> Parcel:
    header = headers(patients)
    header["patient"] = [f"p{i}".encode() for i in range(patients)]
    header["session"] = 1
    header["first"] = index * count
    header["rate_mhz"] = 250_000
    header["uv_per_lsb"] = 1.0
    samples = np.random.default_rng(index).integers(-999, 999, (patients, count)).astype(np.int16)
    return Parcel.address(Frames(header, samples), SHARDS)


def entries(client: Client) -> int:
    return sum(int(client.xlen(stream_key(shard))) for shard in range(SHARDS))


def coverage(client: Client) -> Coverage:
    """What lies in the streams, read without committing anything."""
    seen = Coverage()
    for shard in range(SHARDS):
        for _, fields in client.xrange(stream_key(shard)):  # type: ignore[union-attr]  # sync client
            for run in decode(fields[BATCH_FIELD]):
                seen.add(run)
    return seen


@pytest.fixture
def senders() -> Iterator[Callable[..., Sender]]:
    with ExitStack() as stack:

        def started(url: str, *overrides: str) -> Sender:
            sender = Sender(url, settings(*overrides), shards=SHARDS)
            sender.start()
            stack.callback(sender.close)
            return sender

        yield started


Senders = Callable[..., Sender]


def test_frames_arrive_in_their_shards_as_they_were_offered(
    redis_url: str, client: Client, senders: Senders
) -> None:
    sender, sent = senders(redis_url), parcel(0)
    sender.offer(sent, 0.0).result(10)
    for shard in range(SHARDS):
        rows = np.flatnonzero(sent.shards == shard)
        ((_, fields),) = client.xrange(stream_key(shard))  # type: ignore[misc]  # sync client
        (run,) = decode(fields[BATCH_FIELD])
        assert (run.samples == sent.frames.samples[rows]).all()
        assert (run.headers["patient"] == sent.frames.headers["patient"][rows]).all()


def test_what_waits_for_a_shard_travels_in_one_entry_within_the_limit(
    own_redis: OwnRedis, senders: Senders
) -> None:
    sender = senders(own_redis.server.url, "stream.max_entry_bytes=8192")
    own_redis.kill()
    for i in range(20):
        sender.offer(parcel(i), 0.0)
    own_redis.start_again()
    assert sender.flush(30)
    with connect(own_redis.server.url) as client:
        sizes = [
            len(fields[BATCH_FIELD])
            for shard in range(SHARDS)
            for _, fields in client.xrange(stream_key(shard))  # type: ignore[union-attr]  # sync client
        ]
    assert max(sizes) <= 8192
    assert len(sizes) < 20 * SHARDS


def test_a_start_without_redis_is_refused_in_one_line() -> None:
    sender = Sender("redis://127.0.0.1:1/0", settings(), shards=SHARDS)
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        sender.start()


def test_a_killed_and_restarted_redis_has_every_frame_in_the_end(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url)
    for i in range(300):
        sender.offer(parcel(i), 0.0)
        if i in {60, 160}:
            own_redis.kill()
        if i in {100, 200}:
            own_redis.start_again()
        time.sleep(0.002)
    assert sender.flush(30)
    with connect(own_redis.server.url) as client:
        seen = coverage(client)
    assert seen.holes() == {}
    assert set(seen.newest().values()) == {300 * 50}
    assert len(seen.newest()) == 20


def test_frames_that_redis_forgot_after_confirming_are_sent_again(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url, "ingest.keep_s=60")
    for i in range(10):
        sender.offer(parcel(i), 0.0).result(10)
    own_redis.kill()
    own_redis.forget_everything()
    own_redis.start_again()
    sender.offer(parcel(10), 0.0).result(30)
    assert sender.flush(30)
    with connect(own_redis.server.url) as client:
        seen = coverage(client)
    assert seen.holes() == {}
    assert sender.tally.frames_sent_again == 200
    assert sender.tally.frames_confirmed == 220


def test_a_ticket_waits_for_redis(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url)
    own_redis.kill()
    ticket = sender.offer(parcel(0), 0.0)
    with pytest.raises(TimeoutError):
        ticket.result(0.3)
    own_redis.start_again()
    assert ticket.result(30) is None


def test_a_full_buffer_makes_the_source_wait_and_loses_nothing(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url, "ingest.buffer_mb=1")
    own_redis.kill()
    offered: list[int] = []

    def source() -> None:
        for i in range(600):
            sender.offer(parcel(i), 0.0)
            offered.append(i)

    thread = threading.Thread(target=source)
    thread.start()
    until(lambda: sender.buffered_bytes > (1 << 20) - 4000, "the buffer is full")
    time.sleep(0.1)
    assert len(offered) < 600
    own_redis.start_again()
    thread.join(30)
    assert sender.flush(30)
    with connect(own_redis.server.url) as client:
        assert coverage(client).holes() == {}
    assert sender.tally.frames_dropped == 0


def test_a_full_buffer_drops_the_oldest_and_counts_them_if_told_to(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url, "ingest.buffer_mb=1", "ingest.when_full=drop_oldest")
    own_redis.kill()
    tickets = [sender.offer(parcel(i), 0.0) for i in range(600)]
    own_redis.start_again()
    assert sender.flush(30)
    dropped = [ticket for ticket in tickets if isinstance(ticket.exception(0), Dropped)]
    assert dropped
    assert tickets[-1] not in dropped
    assert sender.tally.frames_dropped > 0
    assert sender.tally.frames_dropped + sender.tally.frames_confirmed == 600 * 20


def test_a_full_redis_holds_frames_back_until_there_is_room(own_redis: OwnRedis, senders: Senders) -> None:
    with connect(own_redis.server.url) as client:
        client.setrange("ballast", 8 << 20, b"x")  # made by the server: no large query is in memory
        client.config_set("maxmemory", server_info(client).used_memory + (1 << 19))
        sender = senders(own_redis.server.url, "ingest.max_memory=0.99")
        for i in range(300):
            sender.offer(parcel(i), 0.0)
        until(lambda: sender.tally.held == "memory", "held for memory")
        client.delete("ballast")
        assert sender.flush(30)
        assert coverage(client).holes() == {}


def test_a_full_redis_is_trimmed_although_it_takes_no_writes(redis_url: str, client: Client) -> None:
    def remember(client: Client) -> None:
        client.hset("source:{x}", "run", "1")

    sender = Sender(redis_url, settings("stream.replay_horizon_s=0"), shards=SHARDS, on_upkeep=remember)
    sender.start()
    try:
        for i in range(100):
            sender.offer(parcel(i), 0.0).result(10)
        client.config_set("maxmemory", 1 << 20)
        until(lambda: sender.obstacle, "the full Redis is noticed")
        newest = {s: client.xrevrange(stream_key(s), count=1)[0][0].decode() for s in range(SHARDS)}  # type: ignore[index]
        client.config_set("maxmemory", 0)
        for shard, offset in newest.items():
            position = ShardPosition(offset=offset, rewind=offset, sequence=1)
            client.hset(position_key(shard), mapping=dict(position.to_redis()))
        client.config_set("maxmemory", 1 << 20)
        until(lambda: entries(client) < 100 * SHARDS / 2, "trimmed")
    finally:
        client.config_set("maxmemory", 256 << 20)
        sender.close()


def test_a_wall_clock_that_is_set_back_stops_neither_sending_nor_trimming(redis_url: str, client: Client) -> None:
    step_s = [0.0]
    sender = Sender(
        redis_url,
        settings("stream.replay_horizon_s=0", "ingest.keep_s=0.05"),
        shards=SHARDS,
        clock=lambda: time.time() + step_s[0],
    )
    sender.start()
    try:
        sender.offer(parcel(0), 0.0).result(10)
        step_s[0] = -86_400.0
        for i in range(1, 50):
            sender.offer(parcel(i), 0.0).result(10)
        Consumer(client, SHARDS).step()
        until(lambda: sender.tally.trimmed_entries, "trimmed")
    finally:
        sender.close()


def test_a_shard_that_was_silent_for_long_is_not_behind_when_its_next_frame_comes(
    redis_url: str, client: Client, senders: Senders
) -> None:
    for shard in range(SHARDS):
        an_hour_ago = f"{int((time.time() - 3600) * 1000)}-0"
        position = ShardPosition(offset=an_hour_ago, rewind=an_hour_ago, sequence=1)
        client.hset(position_key(shard), mapping=dict(position.to_redis()))
    sender = senders(redis_url, "ingest.max_lag_s=5")
    sender.offer(parcel(0), 0.0).result(10)
    until(lambda: sender.tally.readings.lag_s is not None, "the lag is known")
    time.sleep(0.15)
    assert sender.tally.held is None
    assert sender.tally.readings.lag_s == 0


def test_consumers_that_fall_behind_hold_frames_back(redis_url: str, client: Client, senders: Senders) -> None:
    sender = senders(redis_url, "ingest.max_lag_s=0.5")
    sender.offer(parcel(0), 0.0).result(10)
    consumer = Consumer(client, SHARDS)
    consumer.step()
    for i in range(1, 100):
        sender.offer(parcel(i), 0.0)
        time.sleep(0.01)
    until(lambda: sender.tally.held == "lag", "held for lag")
    while not sender.flush(0):
        consumer.step(block_ms=20)
    until(lambda: sender.tally.held is None, "sending again")


def test_streams_are_trimmed_below_what_the_owner_needs_and_no_further(
    redis_url: str, client: Client, senders: Senders
) -> None:
    sender = senders(redis_url, "stream.replay_horizon_s=0")
    for i in range(50):
        sender.offer(parcel(i), 0.0).result(10)
    before = entries(client)
    consumer = Consumer(client, SHARDS)
    consumer.step(count=20)
    until(lambda: entries(client) < before, "something is trimmed")
    for shard in range(SHARDS):
        oldest = client.xrange(stream_key(shard), count=1)
        position = ShardPosition.from_redis(client.hgetall(position_key(shard)))  # type: ignore[arg-type]  # sync
        next_needed = client.xrange(stream_key(shard), min=f"({position.offset}", count=1)
        assert oldest[0][0] <= next_needed[0][0]  # type: ignore[index]  # sync client
    while consumer.step():
        pass
    assert consumer.frames == 50 * 20


def test_a_stream_that_nobody_has_read_is_never_trimmed(redis_url: str, client: Client, senders: Senders) -> None:
    sender = senders(redis_url, "stream.replay_horizon_s=0")
    for i in range(20):
        sender.offer(parcel(i), 0.0).result(10)
    time.sleep(0.3)
    assert coverage(client).frames == 20 * 20
    assert sender.tally.trimmed_entries == 0


def test_the_memory_of_redis_stays_bounded_in_a_long_run(redis_url: str, client: Client, senders: Senders) -> None:
    sender = senders(redis_url, "stream.replay_horizon_s=0", "ingest.upkeep_s=0.02")
    consumer = Consumer(client, SHARDS)
    longest = 0
    for i in range(1500):
        sender.offer(parcel(i), 0.0)
        if i % 10 == 0:
            sender.flush(10)
            consumer.step(marks=False)
            longest = max(longest, entries(client))
    sender.flush(10)
    consumer.step(marks=False)
    assert consumer.frames == 1500 * 20
    assert longest < 1500 * SHARDS / 4


def test_a_closed_sender_takes_nothing_more(redis_url: str) -> None:
    sender = Sender(redis_url, settings(), shards=SHARDS)
    sender.start()
    sender.close()
    with pytest.raises(SenderClosed):
        sender.offer(parcel(0), 0.0)


def test_an_offer_that_may_not_wait_is_taken_whole_or_not_at_all(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url, "ingest.buffer_mb=1", "ingest.when_full=drop_oldest")
    own_redis.kill()
    tickets = [sender.try_offer([parcel(2 * i), parcel(2 * i + 1)], 0.0) for i in range(300)]
    assert tickets[0] is not None
    assert tickets[-1] is None
    assert sender.tally.frames_dropped == 0
    own_redis.start_again()
    tickets[0].result(30)
    assert sender.flush(30)
    taken = sum(ticket.frames for ticket in tickets if ticket is not None)
    with connect(own_redis.server.url) as client:
        assert coverage(client).frames - coverage(client).repeated() == taken


def test_a_sender_says_why_frames_would_not_leave(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url)
    assert sender.obstacle is None
    own_redis.kill()
    until(lambda: sender.obstacle == "redis", "Redis is missed")
    own_redis.start_again()
    until(lambda: sender.obstacle is None, "Redis is back")
    sender.close()
    assert sender.obstacle == "closed"
    with pytest.raises(SenderClosed):
        sender.try_offer([parcel(0)], 0.0)


def test_closing_frees_a_source_that_waits_for_room(own_redis: OwnRedis, senders: Senders) -> None:
    sender = senders(own_redis.server.url, "ingest.buffer_mb=1")
    own_redis.kill()
    ended = threading.Event()

    def source() -> None:
        try:
            for i in range(10_000):
                sender.offer(parcel(i), 0.0)
        except SenderClosed:
            ended.set()

    threading.Thread(target=source, daemon=True).start()
    until(lambda: sender.buffered_bytes > (1 << 20) - 4000, "the buffer is full")
    sender.close()
    assert ended.wait(10)
