"""The wire that breaks on demand, in front of a real Redis."""

import time
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from benchmarks.faults.wire import Wire
from shared.redis.connection import Client
from shared.redis.embedded import EmbeddedServer
from shared.redis.local import local_client
from tests.waiting import until


@pytest.fixture
def wire(redis_server: EmbeddedServer, client: Client) -> Iterator[Wire]:
    with Wire(redis_server.port) as wire:
        yield wire


@pytest.fixture
def over(wire: Wire) -> Iterator[Redis]:
    with local_client(wire.port, timeout_s=1.0) as over:
        yield over


def test_in_good_weather_everything_gets_through(over: Redis) -> None:
    over.set("large", b"x" * 3_000_000)
    assert over.strlen("large") == 3_000_000
    assert len(over.get("large") or b"") == 3_000_000  # type: ignore[arg-type]  # sync client


def test_a_cut_wire_breaks_what_is_open_and_opens_nothing(wire: Wire, over: Redis) -> None:
    over.ping()
    wire.change(cut=True)
    for _ in range(2):
        with pytest.raises(RedisConnectionError):
            over.ping()
    wire.change(cut=False)
    assert over.ping()


def test_over_a_silent_wire_nothing_breaks_and_all_arrives_in_the_end(
    wire: Wire, over: Redis, client: Client
) -> None:
    over.ping()
    wire.change(silent=True)
    with pytest.raises(RedisTimeoutError):
        over.incr("n")
    assert client.get("n") is None
    wire.change(silent=False)
    until(lambda: client.get("n") == b"1")


def test_over_a_deaf_wire_the_server_does_what_nobody_hears_of(wire: Wire, over: Redis, client: Client) -> None:
    over.ping()
    wire.change(deaf=True)
    with pytest.raises(RedisConnectionError):
        over.incr("n")
    assert client.get("n") == b"1"


def test_a_slow_wire_takes_its_time_both_ways(wire: Wire, over: Redis) -> None:
    over.ping()
    wire.change(delay_s=0.15)
    began = time.monotonic()
    over.ping()
    assert time.monotonic() - began >= 0.3


def test_a_throttled_wire_lets_so_many_bytes_through_a_second(wire: Wire, over: Redis) -> None:
    over.ping()
    wire.change(bytes_per_s=1_000_000)
    began = time.monotonic()
    over.set("large", b"x" * 500_000)
    assert time.monotonic() - began >= 0.5
