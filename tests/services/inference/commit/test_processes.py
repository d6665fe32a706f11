"""Owners as processes of their own that are killed or stopped at a point of their loop."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.position import ShardPosition
from shared.redis.connection import Client
from shared.shards import position_key
from tests.services.inference.tally import Owner, Scenario, done, fill
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[4]
Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn(redis_url: str) -> Iterator[Spawn]:
    """Start an owner that sends itself a signal at a point."""
    started: list[subprocess.Popen[str]] = []

    def start(at: str, signal_number: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.services.inference.tally", redis_url, "--at", at]
        command += ["--signal", str(int(signal_number))]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


FEW = ("load:2", "step:2", "commit:7", "committed:3")
MORE = ("turn:2", "loaded:1", "loaded:2", "read:2", "step:5", "commit:1", "commit:2", "committed:1", "committed:6")


@pytest.mark.parametrize("at", [*FEW, *(pytest.param(at, marks=pytest.mark.full) for at in MORE)])
def test_an_owner_killed_at_any_point_is_replaced_and_nothing_is_lost(
    client: Client, redis_url: str, entries: Scenario, expected: Any, finish: Any, spawn: Spawn, at: str
) -> None:
    fill(client, entries)
    assert spawn(at, signal.SIGKILL).wait(30) == -signal.SIGKILL
    second = Owner(redis_url, "second", 2, lease_s=0.6)
    assert finish(client, entries, second) == expected  # it waits for the leases to run out
    second.close()


def test_an_owner_asleep_for_longer_than_its_lease_writes_nothing_when_it_wakes(
    client: Client,
    redis_url: str,
    entries: Scenario,
    expected: Any,
    finish: Any,
    spawn: Spawn,
) -> None:
    fill(client, entries)
    sleeper = spawn("commit:3", signal.SIGSTOP)  # a finished step in hand, about to be committed
    process = psutil.Process(sleeper.pid)
    until(lambda: process.status() == psutil.STATUS_STOPPED, "the stop")
    second = Owner(redis_url, "second", 2, lease_s=0.6)
    assert finish(client, entries, second) == expected
    written = [client.hgetall(position_key(shard)) for shard in range(2)]
    process.send_signal(signal.SIGCONT)
    assert sleeper.stdout is not None
    assert any(line == "lost\n" for line in sleeper.stdout)
    second.turn()
    assert done(client, entries)
    assert [client.hgetall(position_key(shard)) for shard in range(2)] == written
    assert all(ShardPosition.from_redis(p).token.startswith("second:") for p in written)
    second.close()
