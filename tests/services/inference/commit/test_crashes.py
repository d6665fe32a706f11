"""A crash between any two steps: the next owner ends where a run without faults ends."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.redis.connection import Client
from shared.shards import REPLICAS_KEY, lease_key
from tests.services.inference.tally import Owner, Scenario, done, fill


class Crash(BaseException):
    """The process is gone."""


def crashing_at(number: int) -> Callable[[str], None]:
    passed = 0

    def point(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed > number:
            raise Crash

    return point


def crash(client: Client, url: str, number: int, entries: Scenario) -> bool:
    """Run an owner up to its ``number``th point, then let its leases end; False when it needs fewer points."""
    owner = Owner(url, "first", 2, point=crashing_at(number))
    try:
        while not done(client, entries):
            owner.turn(block_ms=1)
    except Crash:
        return True
    finally:
        owner.abandon()
        client.delete(REPLICAS_KEY, lease_key(0), lease_key(1))
    return False


def test_the_scenario_has_something_to_lose(expected: Any) -> None:
    for shard in expected.values():
        assert int(shard["counters"][b"windows"]) >= 10
        assert len(shard["alerts"]) >= 2
        assert len(shard["dead"]) >= 1
        assert len(shard["audit"]) == 3


def test_a_crash_at_any_point_loses_and_doubles_nothing(
    client: Client, redis_url: str, entries: Scenario, expected: Any, finish: Any
) -> None:
    number = 0
    going = True
    while going:
        client.flushall()
        fill(client, entries)
        going = crash(client, redis_url, number, entries)
        second = Owner(redis_url, "second", 2)
        assert finish(client, entries, second) == expected, f"crashed at point {number}"
        second.close()
        number += 1
    assert number > 30


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(3, 14), min_size=1, max_size=6))
def test_crash_after_crash_loses_and_doubles_nothing(
    client: Client, redis_url: str, entries: Scenario, expected: Any, finish: Any, points: list[int]
) -> None:
    client.flushall()
    fill(client, entries)
    for number in points:
        crash(client, redis_url, number, entries)
    last = Owner(redis_url, "last", 2)
    assert finish(client, entries, last) == expected
    last.close()
