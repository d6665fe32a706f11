"""Who falls silent, seen by real pull loops on a real Redis, with devices that really stop sending."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.inference.alarms import Action, Command
from services.inference.api import reading
from services.inference.commit.commands import submit
from services.inference.engine import Engine, open_engine
from services.inference.monitor.elapsed import SILENCE
from services.inference.monitor.offline import compare, offline
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.shard import COMMAND_FIELD, ShardRules
from shared.artefact import Model
from shared.redis.connection import Client
from shared.sections import EngineSettings
from shared.settings import Settings, load
from shared.shards import ALERT_BODY, SYSTEM_SHARD, alerts_key, lease_key, position_key, shard_of, stream_key
from tests.real_redis import full
from tests.services.inference.monitor.devices import Devices, replica
from tests.waiting import until

SHARDS = 8
LOST_S = 3.0
OVERRIDES = (
    f"stream.shards={SHARDS}",
    "monitor.lease_s=1",
    "monitor.heartbeat_s=0.2",
    "monitor.pace_s=0.05",
    f"alarm.stream_lost_s={LOST_S}",
    "alarm.gather_s=1",
    "alarm.technical_refractory_s=0",
)
WARD = tuple(f"p{number:02d}" for number in range(20))
Strip = npt.NDArray[np.float64]


def settings(*more: str) -> Settings:
    return load(environ={}, overrides=[*OVERRIDES, *more]).settings


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, EngineSettings())


@pytest.fixture(scope="module")
def strip(beating: Callable[..., Strip]) -> Strip:
    return beating(60.0)


@contextmanager
def pulling(url: str, engine: Engine, replicas: int = 1, *more: str) -> Iterator[None]:
    loops = [PullLoop(url, settings(*more), f"replica-{i}", engine) for i in range(replicas)]
    threads = [threading.Thread(target=loop.run) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        until(lambda: sum(loop.pulse.shards for loop in loops) == SHARDS)
        yield
    finally:
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(30)


def alerts(client: Client, kinds: frozenset[str] = SILENCE) -> list[dict[str, Any]]:
    """All alerts of these kinds, in the order of their commits."""
    found: list[tuple[bytes, dict[str, Any]]] = []
    for shard in range(SHARDS):
        rows: Any = client.xrange(alerts_key(shard))
        found += [(entry, json.loads(fields[ALERT_BODY])) for entry, fields in rows]
    return [alert for _, alert in sorted(found, key=lambda pair: pair[0]) if alert["kind"] in kinds]


def said(client: Client) -> list[tuple[str, str, str]]:
    return [(alert["patient"], alert["kind"], alert["transition"]) for alert in alerts(client)]


def watched(client: Client) -> None:
    """Wait until every shard that has patients has been read once."""
    filled = {shard_of(name.encode(), SHARDS) for name in WARD}
    until(lambda: all(client.hget(position_key(shard), "offset") for shard in filled))


def test_a_device_that_vanishes_is_one_alarm_which_ends_when_it_is_back(
    redis_url: str, client: Client, engine: Engine, strip: Strip
) -> None:
    with pulling(redis_url, engine), Devices(redis_url, WARD, SHARDS, strip) as devices:
        watched(client)
        devices.silent = frozenset({"p03"})
        until(lambda: said(client) == [("p03", "stream_lost", "began")])
        assert reading.counters(client, SHARDS)["alerts|stream_lost||low|began"] == 1
        devices.silent = frozenset()
        until(lambda: said(client)[1:] == [("p03", "stream_lost", "ended")])


def test_a_device_whose_index_leapt_ahead_is_lost_although_it_goes_on_sending_and_nothing_else_changes(
    redis_url: str, client: Client, engine: Engine, strip: Strip
) -> None:
    with pulling(redis_url, engine), Devices(redis_url, WARD, SHARDS, strip) as devices:
        watched(client)
        devices.leap("p03", 100_000)
        until(lambda: said(client) == [("p03", "stream_lost", "began")])
        devices.leap("p03", 100_001)
        until(lambda: said(client)[1:] == [("p03", "stream_lost", "ended")])
        devices.stop()
        until(lambda: caught_up(client))
    assert differences(client, engine) == 0


@pytest.mark.parametrize("replicas", [pytest.param(1, marks=pytest.mark.full), 3])
def test_a_whole_source_that_stops_is_one_alarm_however_many_shards_and_replicas(
    redis_url: str, client: Client, engine: Engine, strip: Strip, replicas: int
) -> None:
    with pulling(redis_url, engine, replicas):
        with Devices(redis_url, WARD, SHARDS, strip):
            watched(client)
            time.sleep(1)
        until(lambda: said(client))
        time.sleep(2 * LOST_S)
        assert said(client) == [("", "system_silent", "began")]
        alarm = alerts(client)[0]
        assert (alarm["session"], alarm["reasons"]) == ("7", ["source"])
        seen = Command("1-0", Action.ACKNOWLEDGE, "", "nurse", alarm=alarm["alarm"])
        submit(client, SYSTEM_SHARD, {COMMAND_FIELD: seen.to_json().decode()})
        until(lambda: said(client)[1:] == [("", "system_silent", "acknowledged")])
        with Devices(redis_url, WARD, SHARDS, strip, session=8):
            until(lambda: said(client)[2:] == [("", "system_silent", "ended")])


def test_a_source_that_stops_because_redis_is_full_is_told(
    redis_url: str, client: Client, engine: Engine, strip: Strip
) -> None:
    with pulling(redis_url, engine, 2):
        with Devices(redis_url, WARD, SHARDS, strip):
            watched(client)
            time.sleep(1)
        with full(client):
            until(lambda: said(client) == [("", "system_silent", "began")])


def test_a_replica_killed_meanwhile_leaves_no_alert_out_and_repeats_none(
    redis_url: str, client: Client, model: Model, strip: Strip
) -> None:
    replicas = [replica(redis_url, f"replica-{i}", model, OVERRIDES) for i in range(2)]
    try:
        until(lambda: len(owners(client)) == 2)
        with Devices(redis_url, WARD, SHARDS, strip) as devices:
            watched(client)
            early, late = "p03", "p04"
            devices.silent = frozenset({early})
            until(lambda: said(client) == [(early, "stream_lost", "began")])
            devices.silent = frozenset({early, late})
            time.sleep(LOST_S / 2)
            replicas[0].kill()
            until(lambda: (late, "stream_lost", "began") in said(client))
            devices.silent = frozenset()
            until(lambda: Counter(transition for _, _, transition in said(client))["ended"] == 2)
        replicas[1].kill()
        replicas.append(replica(redis_url, "replica-2", model, OVERRIDES))  # the source is silent by now
        until(lambda: len(said(client)) == 5)
        time.sleep(LOST_S)
    finally:
        for process in replicas:
            process.kill()
            process.wait()
    expected = [(name, "stream_lost", transition) for name in (early, late) for transition in ("began", "ended")]
    assert sorted(said(client)) == sorted([*expected, ("", "system_silent", "began")])


@pytest.mark.parametrize("victim", [pytest.param("the one that raises it", marks=pytest.mark.full), "another"])
def test_a_source_that_stops_while_a_replica_dies_is_one_alarm(
    redis_url: str, client: Client, model: Model, strip: Strip, victim: str
) -> None:
    replicas = {f"replica-{i}": replica(redis_url, f"replica-{i}", model, OVERRIDES) for i in range(2)}
    try:
        until(lambda: len(owners(client)) == 2)
        with Devices(redis_url, WARD, SHARDS, strip):
            watched(client)
        raises_it: Any = client.get(lease_key(SYSTEM_SHARD))
        for name, process in replicas.items():
            if (name == raises_it.decode().partition(":")[0]) == (victim == "the one that raises it"):
                process.kill()
        until(lambda: said(client))
        time.sleep(2 * LOST_S)
        assert said(client) == [("", "system_silent", "began")]
    finally:
        for process in replicas.values():
            process.kill()
            process.wait()


def owners(client: Client) -> set[bytes]:
    tokens: Any = client.mget([lease_key(shard) for shard in range(SHARDS)])
    return {token.partition(b":")[0] for token in tokens} if all(tokens) else set()


def test_a_paused_monitor_takes_its_own_silence_for_nobodys(
    redis_url: str, client: Client, model: Model, strip: Strip
) -> None:
    process = replica(redis_url, "replica-0", model, OVERRIDES)
    try:
        until(lambda: len(owners(client)) == 1)
        with Devices(redis_url, WARD, SHARDS, strip):
            watched(client)
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(2 * LOST_S)  # longer than its lease, too
            os.kill(process.pid, signal.SIGCONT)
            until(lambda: len(owners(client)) == 1)
            time.sleep(1.5 * LOST_S)
            assert said(client) == []
        until(lambda: said(client) == [("", "system_silent", "began")])  # and it has not gone blind
    finally:
        process.kill()
        process.wait()


def test_while_a_stream_is_lost_an_alarm_escalates_by_the_clock_and_all_else_stays_a_function_of_the_samples(
    redis_url: str, client: Client, engine: Engine, strip: Strip
) -> None:
    easily = ("off=0.01", "low=0.02", "medium=0.98", "high=0.99", "smoothing=1", "on_windows=2", "of_windows=3")
    rules = tuple(f"alarm.{rule}" for rule in (*easily, "off_windows=2", "escalate_after_s=5", "escalations=100"))
    mi = frozenset({"mi"})
    with (
        pulling(redis_url, engine, 1, *rules),
        Devices(redis_url, WARD[:6], SHARDS, strip, speed=20) as devices,
    ):
        until(lambda: "p03" in {alert["patient"] for alert in alerts(client, mi)})
        devices.silent = frozenset({"p03"})
        until(lambda: sum(alert["clock"] for alert in alerts(client, mi)) >= 2)
        devices.silent = frozenset()
        time.sleep(1)
        devices.stop()
        until(lambda: caught_up(client))
    by_clock = [alert for alert in alerts(client, mi) if alert["clock"]]
    assert {(alert["patient"], alert["transition"]) for alert in by_clock} == {("p03", "escalated")}
    assert differences(client, engine, *rules) == 0


def caught_up(client: Client) -> bool:
    newest: list[Any] = [client.xrevrange(stream_key(shard), count=1) for shard in range(SHARDS)]
    offsets = [client.hget(position_key(shard), "offset") for shard in range(SHARDS)]
    return all(not rows or rows[0][0] == offset for rows, offset in zip(newest, offsets, strict=True))


def differences(client: Client, engine: Engine, *more: str) -> int:
    chosen = settings(*more)
    rules, missing = ShardRules.of(chosen), chosen.window.max_missing
    found = [
        compare(client, shard, offline(client, shard, rules, engine, max_missing=missing))
        for shard in range(SHARDS)
    ]
    return sum(each.total for each in found)
