"""A monitor that really runs: Redis, a pull loop, a ward with infarcts, and the API over what it committed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from services.inference.api import reading
from services.inference.api.access import Access
from services.inference.api.app import make_app
from services.inference.engine import Engine, open_engine
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.worker import Worker
from services.ingest.scenario import parse
from services.ingest.streaming import Plan, stream
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.redis.connection import Client, connect
from shared.redis.embedded import embedded
from shared.sections import EngineSettings
from shared.settings import Settings, load
from shared.shards import position_key, stream_key
from tests.waiting import until

SHARDS = 4
# An untrained model finds any-MI near one half everywhere; thresholds around it make alarms come and go.
OVERRIDES = (
    f"stream.shards={SHARDS}",
    "stream.replay_horizon_s=86400",
    "ingest.metrics_port=0",
    "ingest.max_lag_s=1000000",
    "monitor.lease_s=5",
    "monitor.heartbeat_s=0.3",
    "monitor.pace_s=0.02",
    "monitor.trend_every_s=10",
    "alarm.off=0.50",
    "alarm.low=0.51",
    "alarm.medium=0.52",
    "alarm.high=0.53",
    "alarm.smoothing=1",
    "alarm.on_windows=2",
    "alarm.of_windows=3",
    "alarm.off_windows=2",
    "alarm.stream_lost_s=1000000",  # whoever looks at alerts twice finds the same
)
SCENARIO = """
name: t
seed: 4
rates_hz: [100, 250]
network: {loss: 0.01, duplication: 0.02, reorder: 0.05, delay_s: 1.5, outages_per_hour: 20, outage_s: 6}
patients:
  - {kind: NORM, count: 8}
  - {kind: IMI, count: 4, onset_s: [10, 40], evolution: 600}
  - {kind: NORM, count: 2, effects: [{type: lead_off, start_s: 10, stop_s: 90}]}
"""


def settings_of(*more: str) -> Settings:
    """The settings of these tests."""
    return load(environ={}, overrides=(*OVERRIDES, *more)).settings


@dataclass(frozen=True)
class Monitored:
    """What runs, and the API over it."""

    url: str
    client: Client
    engine: Engine
    folder: str

    def app(self, *more: str, access: Access | None = None) -> FastAPI:
        """The API, with other settings where given."""
        settings = settings_of(*more)
        return make_app(lambda: connect(self.url), settings, self.folder, access or Access.of(settings.api))

    def ingest(self, seconds: float = 60, speed: float = float("inf")) -> None:
        """Stream the scenario once more and wait until all of it is committed."""
        scenario = parse(SCENARIO, "t")
        sources, faults = ward_of(scenario, Path()).sources, scenario.network.faults()
        plan = Plan("t", scenario.digest(), sources, speed, seconds, faults, scenario.seed, new_run=True)
        stream(plan, settings_of(), self.url, stop=threading.Event(), live=False)
        until(self.caught_up, "all that was sent is committed")

    def caught_up(self) -> bool:
        """Whether every entry is committed."""
        for shard in range(SHARDS):
            newest: Any = self.client.xrevrange(stream_key(shard), count=1)
            if newest and newest[0][0] != self.client.hget(position_key(shard), "offset"):
                return False
        return True


@contextmanager
def monitoring(engine: Engine, folder: Path) -> Iterator[Monitored]:
    """A minute of the ward, committed; the loop goes on, so that commands are applied."""
    with embedded(folder, port=0, maxmemory_mb=256) as server:
        worker = Worker(PullLoop(server.url, settings_of(), "replica", engine))
        worker.start()
        with connect(server.url) as client:
            found = Monitored(server.url, client, engine, str(engine.model.folder))
            until(lambda: reading.standing(client, SHARDS).owned == SHARDS, "an owner for every shard")
            found.ingest()
            yield found
        assert worker.stop(20)


@pytest.fixture(scope="session")
def monitored(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    """The ward that tests share; who streams more makes one of their own (`monitoring`)."""
    with monitoring(open_engine(model, EngineSettings()), tmp_path_factory.mktemp("monitored")) as found:
        yield found


@pytest.fixture(scope="session")
def app(monitored: Monitored) -> FastAPI:
    return monitored.app("api.requests_per_s=100000")


@pytest.fixture(scope="session")
def web(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the API behind a real server."""
    with served(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application behind a real server; gives its URL. Connections that are open at the end are cut."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started, "a server that listens")
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    id: str
    data: str


def events(answer: httpx.Response) -> Iterator[Event]:
    """The events of a stream as they come; comments are left out."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields.get("event", ""), fields.get("id", ""), fields.get("data", ""))
            fields = {}
