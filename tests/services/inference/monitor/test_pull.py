"""The whole path with real parts: ingest, Redis, pull loops, engine; always compared with an offline run."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from services.inference.api import reading
from services.inference.engine import Engine, open_engine
from services.inference.monitor.offline import compare, offline
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.shard import ShardRules
from services.ingest.scenario import Scenario, parse
from services.ingest.streaming import Plan, Summary, stream
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.frames import Frames, _checksums, _frame_dtype, encode, headers
from shared.redis.connection import Client, connect
from shared.sections import EngineSettings
from shared.settings import Settings, load
from shared.shards import BATCH_FIELD, alerts_key, counters_key, dead_letters_key, stream_key
from tests.real_redis import OwnRedis, full
from tests.services.inference.live import OVERRIDES, SHARDS
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[4]
SCENARIO = """
name: t
seed: 4
rates_hz: [100, 125, 250]
network: {loss: 0.01, duplication: 0.02, reorder: 0.05, delay_s: 1.5, outages_per_hour: 20, outage_s: 6}
patients:
  - {kind: NORM, count: 12}
  - {kind: IMI, count: 4, onset_s: [10, 40], evolution: 600}
  - {kind: PVC, count: 2}
  - {kind: NORM, count: 2, effects: [{type: lead_off, start_s: 20, stop_s: 60}]}
"""


def settings() -> Settings:
    return load(environ={}, overrides=OVERRIDES).settings


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, EngineSettings())


@contextmanager
def pulling(url: str, engine: Engine, replicas: int = 1) -> Iterator[list[PullLoop]]:
    loops = [PullLoop(url, settings(), f"replica-{i}", engine) for i in range(replicas)]
    threads = [threading.Thread(target=loop.run) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield loops
    finally:
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(30)


def ingest(url: str, *, duration_s: float = 120, text: str = SCENARIO) -> Summary:
    scenario: Scenario = parse(text, "t")
    ward = ward_of(scenario, Path())
    plan = Plan(
        scenario.name,
        scenario.digest(),
        ward.sources,
        speed=float("inf"),
        duration_s=duration_s,
        faults=scenario.network.faults(),
        seed=scenario.seed,
    )
    return stream(plan, settings(), url, stop=threading.Event(), live=False)


def caught_up(client: Client) -> None:
    """Wait until every entry is committed."""

    def committed(shard: int) -> bool:
        newest = client.xrevrange(stream_key(shard), count=1)
        return not newest or newest[0][0] == client.hget(f"pos:{{s{shard:02d}}}", "offset")

    until(lambda: all(committed(shard) for shard in range(SHARDS)), "the last commit")


def differences(client: Client, engine: Engine) -> int:
    rules = ShardRules.of(settings())
    found = [
        compare(client, shard, offline(client, shard, rules, engine, max_missing=settings().window.max_missing))
        for shard in range(SHARDS)
    ]
    return sum(each.total for each in found)


def test_what_is_committed_is_what_an_offline_run_of_the_same_samples_finds(
    redis_url: str, client: Client, engine: Engine
) -> None:
    with pulling(redis_url, engine):
        ingest(redis_url)
        caught_up(client)
    counted = reading.counters(client, SHARDS)
    assert counted["windows|scored"] > 200
    assert sum(n for name, n in counted.items() if name.startswith("alerts|mi")) > 5, "no alarm, nothing proved"
    assert sum(n for name, n in counted.items() if name.startswith("alerts|lead_off")) > 0
    assert differences(client, engine) == 0


def test_the_comparison_notices_a_single_wrong_count_and_a_single_doubled_alert(
    redis_url: str, client: Client, engine: Engine
) -> None:
    with pulling(redis_url, engine):
        ingest(redis_url, duration_s=60)
        caught_up(client)
    client.hincrby(counters_key(0), "windows|scored", 1)
    assert differences(client, engine) == 1
    shard = next(shard for shard in range(SHARDS) if client.xlen(alerts_key(shard)))
    ((_, fields),) = client.xrange(alerts_key(shard), count=1)  # type: ignore[misc]  # sync client
    client.xadd(alerts_key(shard), fields)
    assert differences(client, engine) == 2


def test_three_replicas_come_to_the_same_as_one(redis_url: str, client: Client, engine: Engine) -> None:
    with pulling(redis_url, engine, replicas=3) as loops:
        until(lambda: sum(loop.pulse.shards for loop in loops) == SHARDS)
        ingest(redis_url)
        caught_up(client)
        assert sum(loop.pulse.windows > 0 for loop in loops) >= 2
    assert differences(client, engine) == 0


def test_replicas_that_join_and_leave_in_mid_stream_change_nothing(
    redis_url: str, client: Client, engine: Engine
) -> None:
    sender = threading.Thread(target=ingest, args=(redis_url,), kwargs={"duration_s": 200})
    with pulling(redis_url, engine):
        sender.start()
        time.sleep(0.3)
        with pulling(redis_url, engine, replicas=2):
            time.sleep(0.7)
        sender.join(60)
        caught_up(client)
    assert differences(client, engine) == 0


REPLICA = """
import sys
from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from shared.artefact import load as load_model
from shared.settings import load
url, name, model, *overrides = sys.argv[1:]
settings = load(environ={}, overrides=overrides).settings
PullLoop(url, settings, name, open_engine(load_model(model), settings.engine)).run()
"""


def replica_process(url: str, name: str, model: Model) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", REPLICA, url, name, str(model.folder), *OVERRIDES]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_replicas_killed_and_stopped_at_any_moment_lose_and_double_nothing(
    redis_url: str, client: Client, engine: Engine, model: Model
) -> None:
    sender = threading.Thread(target=ingest, args=(redis_url,), kwargs={"duration_s": 300})
    processes = [replica_process(redis_url, f"replica-{i}", model) for i in range(2)]
    try:
        until(lambda: reading.standing(client, SHARDS).owned == SHARDS)
        sender.start()
        until(lambda: reading.counters(client, SHARDS)["windows|scored"] > 100)
        processes[0].kill()
        processes.append(replica_process(redis_url, "replica-2", model))
        time.sleep(0.5)
        os.kill(processes[1].pid, signal.SIGSTOP)
        time.sleep(2.0)  # longer than its lease
        os.kill(processes[1].pid, signal.SIGCONT)
        sender.join(60)
        caught_up(client)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert reading.counters(client, SHARDS)["windows|scored"] > 300
    assert differences(client, engine) == 0


def test_a_step_that_breaks_off_before_its_commit_is_done_again(
    redis_url: str, client: Client, engine: Engine
) -> None:
    """As when Redis goes away under a renewal in the midst of a long step."""
    breaks: list[int] = []

    class Breaking(PullLoop):
        def _keep(self) -> None:
            super()._keep()
            breaks.append(len(breaks))
            if len(breaks) % 5 == 0 and len(breaks) < 40:
                raise RedisConnectionError("reset by peer")

    loop = Breaking(redis_url, settings(), "replica-0", engine)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        ingest(redis_url, duration_s=60)
        caught_up(client)
    finally:
        loop.stop()
        thread.join(30)
    assert len(breaks) > 10
    assert differences(client, engine) == 0


def test_redis_killed_in_mid_stream_loses_and_doubles_nothing(own_redis: OwnRedis, engine: Engine) -> None:
    sender = threading.Thread(target=ingest, args=(own_redis.server.url,), kwargs={"duration_s": 240})
    with pulling(own_redis.server.url, engine, replicas=2):
        sender.start()
        for goal in (60, 160):
            with connect(own_redis.server.url) as client:
                until(lambda client=client, goal=goal: reading.counters(client, SHARDS)["windows|scored"] > goal)
            own_redis.kill()
            time.sleep(0.3)
            own_redis.start_again()
        sender.join(60)
        with connect(own_redis.server.url) as client:
            caught_up(client)
            assert reading.counters(client, SHARDS)["windows|scored"] > 300
            assert differences(client, engine) == 0


def persistence(client: Client) -> dict[str, object]:
    return client.info("persistence")  # type: ignore[return-value]  # sync client


def test_a_redis_that_refuses_writes_for_a_while_is_waited_out(own_redis: OwnRedis, engine: Engine) -> None:
    """As when its disk is full. A snapshot that cannot be written makes it refuse just so, without a full disk."""
    own_redis.obstruct_snapshots()
    sender = threading.Thread(target=ingest, args=(own_redis.server.url,), kwargs={"duration_s": 240})
    with connect(own_redis.server.url) as client, pulling(own_redis.server.url, engine, replicas=2) as loops:
        sender.start()
        until(lambda: reading.counters(client, SHARDS)["windows|scored"] > 60)
        client.config_set("save", "3600 1")
        client.bgsave()
        until(lambda: persistence(client)["rdb_last_bgsave_status"] == "err")
        with pytest.raises(ResponseError, match="MISCONF"):
            client.set("anything", 1)
        beats = [loop.pulse.beat_s for loop in loops]
        until(lambda: all(loop.pulse.beat_s > beat for loop, beat in zip(loops, beats, strict=True)))
        time.sleep(1.5)  # longer than a lease
        client.config_set("stop-writes-on-bgsave-error", "no")
        sender.join(60)
        caught_up(client)
        assert reading.counters(client, SHARDS)["windows|scored"] > 300
        assert differences(client, engine) == 0


UNUSABLE = [b"truncated", b"no_batch", b"oversized", b"wrong_lead", b"version", b"rate", b"checksum"]


def with_bytes(batch: bytes, field: str, value: int) -> bytes:
    """A batch of one frame with another value in its header, and the checksum right."""
    frame = np.frombuffer(batch, _frame_dtype(1)).copy()
    frame["header"][field] = value
    frame["header"]["checksum"] = _checksums(frame)
    return frame.tobytes()


def test_unusable_entries_become_dead_letters_and_disturb_nobody(
    redis_url: str, client: Client, engine: Engine
) -> None:
    header = headers(1)
    header["patient"], header["rate_mhz"], header["uv_per_lsb"], header["lead"] = b"x", 250_000, 1.0, 6
    wrong_lead = encode(Frames(header, header["count"].reshape(1, 1).astype("i2")))
    with pulling(redis_url, engine):
        client.xadd(stream_key(3), {BATCH_FIELD: b"no batch at all!"})
        client.xadd(stream_key(3), {b"other": b"field"})
        client.xadd(stream_key(3), {BATCH_FIELD: bytes((1 << 20) + 8)})
        client.xadd(stream_key(3), {BATCH_FIELD: wrong_lead})
        client.xadd(stream_key(3), {BATCH_FIELD: with_bytes(wrong_lead, "version", 9)})
        client.xadd(stream_key(3), {BATCH_FIELD: with_bytes(wrong_lead, "rate_mhz", 20_000)})
        client.xadd(stream_key(3), {BATCH_FIELD: wrong_lead[:-1] + b"\xff"})
        ingest(redis_url, duration_s=30)
        caught_up(client)
    reasons = [fields[b"reason"] for _, fields in client.xrange(dead_letters_key(3))]
    # A wrong lead is found later than what the bytes alone show.
    assert sorted(reasons) == sorted(UNUSABLE)
    counted = reading.counters(client, SHARDS)
    assert {name: n for name, n in counted.items() if name.startswith("dead_letters")} == {
        f"dead_letters|{reason.decode()}": 1 for reason in reasons
    }
    assert differences(client, engine) == 0


def test_a_master_demoted_on_connections_that_stay_is_waited_for(own_redis: OwnRedis, engine: Engine) -> None:
    """As by a load balancer or an operator's `REPLICAOF`: nobody closes a connection, every write is refused."""
    url = own_redis.server.url
    with connect(url) as client, pulling(url, engine, replicas=2) as loops:
        ingest(url, duration_s=60)
        client.replicaof("127.0.0.1", "1")
        steps = [loop.pulse.beat_s for loop in loops]
        time.sleep(2)
        client.replicaof("NO", "ONE")
        until(lambda: all(loop.pulse.beat_s > step for loop, step in zip(loops, steps, strict=True)), "both live")
        ingest(url, duration_s=60)
        caught_up(client)
        until(lambda: reading.standing(client, SHARDS).owned == SHARDS, "an owner of each shard")
        assert differences(client, engine) == 0


def test_replicas_that_start_when_redis_is_full_take_over_and_redis_can_be_trimmed(
    own_redis: OwnRedis, engine: Engine
) -> None:
    url = own_redis.server.url
    with connect(url) as client:
        with pulling(url, engine):
            ingest(url, duration_s=60)
        with full(client):
            with pulling(url, engine):
                caught_up(client)
            assert differences(client, engine) == 0
