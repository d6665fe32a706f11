"""The same frames over other shards, in other batches, read by other replicas: the same alerts and scores."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.inference.engine import Engine, open_engine
from services.inference.monitor.latest import read
from services.inference.monitor.pull import PullLoop
from services.ingest.scenario import parse
from services.ingest.streaming import Plan, stream
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.frames import Frames, decode, encode
from shared.redis.connection import Client, connect
from shared.sections import EngineSettings
from shared.settings import Settings, load
from shared.shards import (
    ALERT_BODY,
    ALERT_ID,
    BATCH_FIELD,
    alerts_key,
    latest_key,
    position_key,
    shard_of,
    stream_key,
)
from tests.services.inference.monitor.test_pull import OVERRIDES, SCENARIO
from tests.waiting import until

FIRST = 8
Found = tuple[dict[bytes, bytes], dict[bytes, bytes]]


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, EngineSettings())


def settings(shards: int) -> Settings:
    # Silence is about when frames came, which is not the same in two runs.
    more = (f"stream.shards={shards}", "alarm.stream_lost_s=1000")
    return load(environ={}, overrides=[*OVERRIDES, *more]).settings


def run(url: str, client: Client, engine: Engine, shards: int, replicas: int) -> Found:
    """Alerts by id and newest windows by patient, when all has been read."""
    loops = [PullLoop(url, settings(shards), f"replica-{i}", engine) for i in range(replicas)]
    threads = [threading.Thread(target=loop.run) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        until(lambda: all(_done(client, shard) for shard in range(shards)))
    finally:
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(30)
    alerts: dict[bytes, bytes] = {}
    latest: dict[bytes, bytes] = {}
    for shard in range(shards):
        rows: Any = client.xrange(alerts_key(shard))
        found = {fields[ALERT_ID]: fields[ALERT_BODY] for _, fields in rows}
        assert len(found) == len(rows)
        alerts |= found
        latest |= client.hgetall(latest_key(shard))  # type: ignore[arg-type]  # sync client
    return alerts, latest


def _done(client: Client, shard: int) -> bool:
    newest: Any = client.xrevrange(stream_key(shard), count=1)
    return not newest or client.hget(position_key(shard), "offset") == newest[0][0]


def log_of(client: Client, shards: int) -> list[Frames]:
    """All frames in the order in which they came, one by one."""
    rows: list[tuple[tuple[int, ...], bytes]] = []
    for shard in range(shards):
        entries: Any = client.xrange(stream_key(shard))
        rows += [(tuple(map(int, i.decode().split("-"))), fields[BATCH_FIELD]) for i, fields in entries]
    runs = [each for _, data in sorted(rows, key=lambda row: row[0]) for each in decode(data)]
    return [Frames(r.headers[i : i + 1], r.samples[i : i + 1]) for r in runs for i in range(len(r))]


def spread(client: Client, frames: list[Frames], shards: int) -> None:
    """The log again, over another number of shards and in other batches."""
    pipe = client.pipeline(transaction=False)
    for frame in frames:
        shard = shard_of(bytes(frame.headers["patient"][0]), shards)
        pipe.xadd(stream_key(shard), {BATCH_FIELD: encode(frame)})
    pipe.execute()


def test_neither_shards_nor_replicas_nor_batches_change_an_alert_or_a_score(
    redis_url: str, client: Client, engine: Engine
) -> None:
    scenario = parse(SCENARIO, "t")
    sources = ward_of(scenario, Path()).sources
    plan = Plan(scenario.name, scenario.digest(), sources, speed=float("inf"), duration_s=90)
    stream(plan, settings(FIRST), redis_url, stop=threading.Event(), live=False)
    frames = log_of(client, FIRST)
    alerts, latest = run(redis_url, client, engine, FIRST, 1)
    assert len(alerts) > 5, "no alert, nothing proved"
    for shards, replicas in ((1, 1), (13, 3)):
        client.flushall()
        spread(client, frames, shards)
        with connect(redis_url) as own:
            again, newest = run(redis_url, own, engine, shards, replicas)
        assert again == alerts
        assert newest.keys() == latest.keys()
        for patient, raw in latest.items():
            np.testing.assert_allclose(read(newest[patient])["scores"], read(raw)["scores"], rtol=0, atol=1e-5)
