"""A replica may run for months: what it and Redis keep in mind is bounded, however long patients stream."""

import gc
import sys
import time
from pathlib import Path

from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from services.ingest.faults import Network
from services.ingest.feed import Feed, Slot
from services.ingest.parcel import Parcel
from services.ingest.scenario import parse
from services.ingest.schedule import Schedule
from services.ingest.upkeep import Backlog, upkeep
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.position import parse_id
from shared.redis.connection import Client
from shared.sections import EngineSettings
from shared.settings import load
from shared.shards import BATCH_FIELD, alerts_key, stream_key

SHARDS = 2
FIRST_S, LATER_S = 150, 300
# Alerts come and go, and what is kept of them and of trends is soon full.
OVERRIDES = (
    f"stream.shards={SHARDS}",
    "stream.replay_horizon_s=0",
    "window.park_after_s=20",
    "monitor.alerts_max=2",
    "monitor.trend_every_s=5",
    "monitor.trend_points=4",
    "alarm.technical_windows=1",
    "alarm.technical_of_windows=1",
    "alarm.technical_off_windows=1",
    "alarm.technical_refractory_s=0",
)
SCENARIO = """
name: t
seed: 4
rates_hz: [100, 125]
network: {loss: 0.02, duplication: 0.02, reorder: 0.05, delay_s: 1.5, outages_per_hour: 20, outage_s: 30}
patients:
  - {kind: IMI, count: 3, onset_s: [5, 30], evolution: 600}
  - {kind: NORM, count: 5}
"""


class Stream:
    """Patients into Redis, by the second, as fast as asked for; trimmed as a sender does."""

    def __init__(self, client: Client) -> None:
        scenario = parse(SCENARIO, "t")
        self._start_us = int(time.time() * 1e6) - 600 * 10**6
        sources = ward_of(scenario, Path()).sources
        self._feeds = [Feed(source, Slot(7, self._start_us), SHARDS) for source in sources]
        self._schedule = Schedule(self._feeds, [0] * len(self._feeds))
        self._network = Network(scenario.network.faults(), scenario.seed)
        self._client, self._seconds = client, 0

    def second(self) -> None:
        """All that falls due in the next second."""
        self._seconds += 1
        while self._schedule.peek().at_us <= self._start_us + self._seconds * 10**6:
            due = self._schedule.pop()
            if due.parcel is not None:
                self._add(due.parcel)
                continue
            whole = self._feeds[due.feed].parcel(due.index)
            for delay_s, parcel in self._network.carry(whole, due.feed, due.index, self._seconds):
                if delay_s:
                    self._schedule.delay(due, parcel, delay_s)
                else:
                    self._add(parcel)
        upkeep(self._client, SHARDS, Backlog(), 0.0)

    def _add(self, parcel: Parcel) -> None:
        for shard, data, _ in parcel.encoded(1 << 20):
            self._client.xadd(stream_key(shard), {BATCH_FIELD: data})


def in_redis(client: Client) -> tuple[int, int, int]:
    """Keys, alerts, and bytes of all else but the frames, of which more or less are on their way."""
    keys = set(client.scan_iter(count=1000))
    alerts = {alerts_key(shard).encode() for shard in range(SHARDS)}
    rest = keys - alerts - {stream_key(shard).encode() for shard in range(SHARDS)}
    stored = sum(client.memory_usage(key, samples=0) or 0 for key in rest)
    return len(keys), sum(client.xlen(key) for key in alerts), stored


def test_a_replica_and_redis_take_no_more_memory_the_longer_patients_stream(
    redis_url: str, client: Client, model: Model
) -> None:
    settings = load(environ={}, overrides=OVERRIDES).settings
    loop = PullLoop(redis_url, settings, "one", open_engine(model, EngineSettings()))
    stream = Stream(client)

    def held_after(seconds: int) -> tuple[int, int, int, int]:
        """Objects of Python, and what is in Redis."""
        for _ in range(seconds):
            stream.second()
            loop.turn()
        loop.turn()  # nothing of the last step is on its way any more
        parse_id.cache_clear()  # bounded, but not yet full
        gc.collect()
        return sys.getallocatedblocks(), *in_redis(client)

    try:
        objects, keys, _, stored = held_after(FIRST_S)
        windows = loop.pulse.windows
        objects_later, keys_later, alerts, stored_later = held_after(LATER_S)
    finally:
        loop.stop()
        loop.run()
    assert loop.pulse.windows - windows > LATER_S
    assert objects_later - objects < 5 * LATER_S  # one that stays of every frame makes twice as many
    assert keys_later == keys
    assert 0 < alerts < 10 * SHARDS  # the limit, and what is left of the last node of the stream
    assert stored_later < 1.1 * stored
