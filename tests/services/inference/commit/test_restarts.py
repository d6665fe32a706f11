"""Redis goes away and comes back: with everything, without its last second, as another version, as a cluster."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.pinning import LayoutMismatch
from shared.redis.connection import Client, connect, server_info
from shared.redis.local import occupant_of, process_exists, taken_by
from shared.shards import LAYOUT_KEY
from tests.services.inference.tally import Owner, Scenario, committed, done, fill
from tests.waiting import until

AOF = ("--appendonly", "yes", "--appendfsync", "always")


class Mortal:
    """A Redis with an append-only file that can be killed, lose the end of that file, and come back."""

    def __init__(self, start_redis: Callable[..., int], folder: Path, port: int) -> None:
        self._start, self.folder = start_redis, folder
        folder.mkdir()
        self.port = start_redis(*AOF, folder=folder, port=port)
        self.url = f"redis://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "appendonly.aof"

    def kill(self) -> None:
        with connect(self.url) as client:
            pid = server_info(client).pid
        os.kill(pid, signal.SIGKILL)
        # Its main thread may be gone (a zombie) while others still hold the port.
        until(lambda: not process_exists(pid) and taken_by(self.port) is None, "the end of Redis")

    def forget(self, last_bytes: int) -> None:
        size = self.log.stat().st_size
        os.truncate(self.log, max(0, size - last_bytes))

    def start(self) -> None:
        self._start(*AOF, folder=self.folder, port=self.port)

        def ready() -> bool:
            occupant = occupant_of(self.port)
            return occupant is not None and not occupant.info.loading

        until(ready, "Redis with its data loaded")


@pytest.fixture
def mortal(start_redis: Callable[..., int], tmp_path: Path, quiet_port: int) -> Mortal:
    return Mortal(start_redis, tmp_path / "redis", quiet_port)


def lives_again(mortal: Mortal, entries: Scenario) -> None:
    """Sources send again what Redis has forgotten."""
    with connect(mortal.url) as client:
        fill(client, entries)


@pytest.mark.parametrize("forgotten", [0, 1, 700, 2_500, 6_000, 1 << 30])
def test_a_redis_that_dies_and_forgets_makes_no_difference_in_the_end(
    mortal: Mortal, entries: Scenario, expected: Any, finish: Any, forgotten: int
) -> None:
    lives_again(mortal, entries)
    owner = Owner(mortal.url, "r", 2, most=2, lease_s=1.0)
    for _ in range(3):
        owner.turn()
    loads = owner.loads
    mortal.kill()
    mortal.forget(forgotten)
    owner.turn()  # meets a Redis that is not there
    mortal.start()
    lives_again(mortal, entries)
    with connect(mortal.url) as client:
        assert finish(client, entries, owner) == expected
    assert owner.loads >= loads + 2
    owner.close()


def test_memory_survives_no_restart_even_if_nothing_was_lost(mortal: Mortal, entries: Scenario) -> None:
    lives_again(mortal, entries)
    owner = Owner(mortal.url, "r", 2, lease_s=1.0)
    owner.turn()
    before = owner.loads
    mortal.kill()
    mortal.start()
    until(lambda: owner.turn() or owner.loads == before + 2, "both shards loaded again")
    owner.close()


def test_another_redis_at_the_same_place_is_refused_if_its_shards_are_others(mortal: Mortal) -> None:
    owner = Owner(mortal.url, "r", 2, lease_s=1.0)
    owner.turn()
    mortal.kill()
    mortal.log.unlink()
    mortal.start()
    with connect(mortal.url) as client:
        client.set(LAYOUT_KEY, b'{"version": 1, "shards": 64}')

    def refused() -> bool:
        try:
            owner.turn()
        except LayoutMismatch as error:
            return "set up with 64 shards" in str(error)
        return False

    until(refused, "the refusal")
    owner.abandon()


def test_scripts_flushed_between_steps_make_no_difference(
    client: Client, redis_url: str, entries: Scenario, expected: Any, finish: Any
) -> None:
    fill(client, entries)
    owner = Owner(redis_url, "r", 2)

    class Flushing:
        def turn(self) -> None:
            client.script_flush()

    assert finish(client, entries, Flushing(), owner) == expected
    owner.close()


def test_two_owners_in_turn_end_as_one(
    client: Client, redis_url: str, entries: Scenario, expected: Any, finish: Any
) -> None:
    fill(client, entries)
    owners = [Owner(redis_url, name, 2, lease_s=2.0, most=1) for name in ("a", "b")]
    assert finish(client, entries, *owners) == expected
    for owner in owners:
        owner.close()


def test_a_cluster_ends_as_one_server(cluster_url: str, entries: Scenario, expected: Any, finish: Any) -> None:
    with connect(cluster_url) as cluster:
        fill(cluster, entries)
        owners = [Owner(cluster_url, name, 2, lease_s=2.0) for name in ("a", "b")]
        assert finish(cluster, entries, *owners) == expected
        for owner in owners:
            owner.close()


def test_another_redis_version_ends_alike(
    start_redis: Callable[..., int], other_redis: Path, entries: Scenario, expected: Any, finish: Any
) -> None:
    url = f"redis://127.0.0.1:{start_redis(executable=other_redis)}"
    with connect(url) as client:
        fill(client, entries)
        owner = Owner(url, "r", 2)
        while not done(client, entries):
            client.script_flush()
            owner.turn()
        assert committed(client, 2) == expected
        owner.close()
