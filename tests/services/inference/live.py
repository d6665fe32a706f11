"""A whole monitor for tests that look at it from outside: ingest, pull loops in threads or processes, no Ray."""

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from services.inference.api import reading
from services.inference.api.access import Access
from services.inference.api.app import make_app
from services.inference.engine import Engine
from services.inference.monitor.offline import offline
from services.inference.monitor.pull import PullLoop
from services.inference.monitor.shard import ShardRules
from services.ingest.scenario import parse
from services.ingest.streaming import Plan, stream
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.redis.connection import Client, connect
from shared.settings import Settings, load
from shared.shards import position_key, stream_key
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
SHARDS = 8
# An untrained model finds any-MI near one half everywhere; thresholds around it make alarms come and go.
OVERRIDES = (
    f"stream.shards={SHARDS}",
    "stream.replay_horizon_s=86400",
    "ingest.metrics_port=0",
    "ingest.max_lag_s=1000000",
    "monitor.lease_s=1",
    "monitor.heartbeat_s=0.2",
    "monitor.pace_s=0.02",
    "alarm.off=0.50",
    "alarm.low=0.51",
    "alarm.medium=0.52",
    "alarm.high=0.53",
    "alarm.smoothing=1",
    "alarm.on_windows=2",
    "alarm.of_windows=3",
    "alarm.off_windows=2",
)
SCENARIO = """
name: t
seed: 4
rates_hz: [100, 125, 250]
network: {loss: 0.01, duplication: 0.02, reorder: 0.05, delay_s: 1.5, outages_per_hour: 20, outage_s: 6}
patients:
  - {kind: NORM, count: 12}
  - {kind: IMI, count: 4, onset_s: [10, 40], evolution: 600}
  - {kind: NORM, count: 2, effects: [{type: lead_off, start_s: 20, stop_s: 60}]}
"""
_REPLICA = """
import sys
from services.inference.engine import open_engine
from services.inference.monitor.pull import PullLoop
from shared.artefact import load as load_model
from shared.settings import load
url, name, model, *overrides = sys.argv[1:]
settings = load(environ={}, overrides=overrides).settings
PullLoop(url, settings, name, open_engine(load_model(model), settings.engine)).run()
"""


def settings(*more: str) -> Settings:
    return load(environ={}, overrides=[*OVERRIDES, *more]).settings


@contextmanager
def pulling(url: str, engine: Engine, settings: Settings, replicas: int = 1) -> Iterator[None]:
    """So many loops in threads."""
    loops = [PullLoop(url, settings, f"replica-{i}", engine) for i in range(replicas)]
    threads = [threading.Thread(target=loop.run) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(30)


def replica_process(url: str, name: str, model: Model) -> "subprocess.Popen[bytes]":
    """A loop in a process of its own, to be killed."""
    command = [sys.executable, "-c", _REPLICA, url, name, str(model.folder), *OVERRIDES]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def api(url: str, chosen: Settings, model: Model) -> FastAPI:
    """The API over that Redis."""
    return make_app(lambda: connect(url), chosen, str(model.folder), Access())


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a free port of its own; its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started, "the application")
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def ingest(
    url: str, settings: Settings, seconds: float, text: str = SCENARIO, speed: float = float("inf")
) -> None:
    """Stream a scenario."""
    scenario = parse(text, "t")
    sources = ward_of(scenario, Path()).sources
    plan = Plan("t", scenario.digest(), sources, speed, seconds, scenario.network.faults(), scenario.seed)
    stream(plan, settings, url, stop=threading.Event(), live=False)


def behind(client: Client) -> int:
    """How many shards have something that is not committed."""
    newest = [client.xrevrange(stream_key(shard), count=1) for shard in range(SHARDS)]
    offsets = [client.hget(position_key(shard), "offset") for shard in range(SHARDS)]
    return sum(bool(rows) and rows[0][0] != offset for rows, offset in zip(newest, offsets, strict=True))


def caught_up(client: Client) -> None:
    """Wait until every entry is committed."""
    until(lambda: not behind(client), "the last commit", 90)


def truth(client: Client, engine: Engine) -> Counter[str]:
    """The counters that an offline run of the whole log comes to, all shards together."""
    chosen = settings()
    rules = ShardRules.of(chosen)
    total: Counter[str] = Counter()
    for shard in range(SHARDS):
        total.update(offline(client, shard, rules, engine, max_missing=chosen.window.max_missing).counters)
    return total


def scored(client: Client) -> int:
    """Windows scored so far."""
    return reading.counters(client, SHARDS)["windows|scored"]
