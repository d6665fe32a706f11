"""Real Prometheus and Alertmanager over a real monitor: an infarct in the stream rings at a webhook."""

import asyncio
import json
import math
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from deploy.alerting import NAMES, Alerting, alerting, alertmanager_config, prometheus_config
from services.inference.alarms import Action, Command
from services.inference.api import reading
from services.inference.engine import open_engine
from services.inference.monitor.shard import COMMAND_FIELD
from services.ingest.gateway.serve import serve
from shared.artefact import Model
from shared.ports import free_port
from shared.redis.connection import Client, connect
from shared.redis.embedded import EmbeddedServer
from shared.sections import EngineSettings, WatchSettings
from shared.settings import Settings, load
from shared.shards import commands_key, shard_of
from tests.deploy import boards, detector
from tests.deploy.house import ROOT
from tests.services.inference import live
from tests.waiting import until

SHARDS = live.SHARDS
EVERY = "500ms"
# The rules as they are: nothing is tuned to make this ring.
QUICK = (
    f"stream.shards={SHARDS}",
    "ingest.metrics_port=0",
    "ingest.max_lag_s=1000000",
    "monitor.pace_s=0.02",
    "monitor.heartbeat_s=0.2",
)
CALM = "name: calm\nseed: 3\nrates_hz: [125]\npatients:\n  - {kind: NORM, count: 6}\n"
ONSET = (
    f"name: onset\nseed: 1\nrates_hz: [100]\npatients:\n  - {{kind: {detector.INFARCT}, count: 4, onset_s: 40}}\n"
)
Posts = list[dict[str, Any]]


@pytest.fixture(scope="module")
def installed() -> None:
    """Both programs."""
    for what, names in NAMES.items():
        if not any(shutil.which(name) for name in names):
            pytest.skip(f"{what} is not on PATH: install Debian's packages prometheus and prometheus-alertmanager")


@pytest.fixture(scope="module")
def model(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return detector.make(tmp_path_factory.mktemp("models") / "detector")


@contextmanager
def webhook() -> Iterator[tuple[str, Posts]]:
    """An HTTP receiver; its URL and the alerts that have come."""
    alerts: Posts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            alerts.extend(body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/alerts", alerts
        server.shutdown()
        thread.join()


@contextmanager
def gateway(redis_url: str) -> Iterator[str]:
    """A gateway in a thread; its URL."""
    loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), queue.Queue[str]()
    chosen = settings("gateway.port=0")

    def live() -> None:
        loop.run_until_complete(serve(chosen, redis_url, stop=stop, started=started.put))

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield started.get(timeout=30)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


def watch(webhook_url: str | None = None) -> WatchSettings:
    return WatchSettings.model_validate(
        {"prometheus_port": free_port(), "alertmanager_port": free_port(), "webhook_url": webhook_url}
    )


def settings(*more: str) -> Settings:
    return load(environ={}, overrides=[*QUICK, *more]).settings


def names(alerts: Posts) -> set[str]:
    return {alert["labels"]["alertname"] for alert in alerts}


def rung(alerts: Posts) -> set[tuple[str, str, str]]:
    """What came, by name, severity and status."""
    return {(a["labels"]["alertname"], a["labels"]["severity"], a["status"]) for a in alerts}


def asked(prometheus: str, path: str, **query: str) -> Any:
    return httpx.get(f"{prometheus}/api/v1/{path}", params=query, timeout=10).json()["data"]


def value(prometheus: str, query: str) -> float | None:
    rows = asked(prometheus, "query", query=query)["result"]
    return float(rows[0]["value"][1]) if rows else None


@dataclass(frozen=True)
class Watched:
    """A monitor that Prometheus and Alertmanager watch, over a calm ward that has sent a minute of samples."""

    redis_url: str
    client: Client
    url: str
    gateway: str
    prometheus: str
    alerts: Posts
    since: float


@pytest.fixture(scope="module")
def watched(
    model: Model, redis_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """It takes seconds to start, so once for this module; no test of which may empty its Redis."""
    engine = open_engine(model, EngineSettings(runtime="onnxruntime"))
    at, port, since = redis_server.url, free_port(), time.time()
    with connect(at) as client:
        client.flushall()
        with (
            live.pulling(at, engine, settings(), replicas=2),
            live.served(live.api(at, settings(), model)) as url,
            gateway(at) as door,
            webhook() as (receiver, alerts),
            alerting(
                tmp_path_factory.mktemp("watch"),
                watch(receiver),
                {
                    "selfmis": url.removeprefix("http://"),
                    "selfmis-gateway": door.removeprefix("http://"),
                    "selfmis-ingest": f"127.0.0.1:{port}",
                },
                every=EVERY,
            ) as running,
        ):
            assert running.missing == ()
            assert running.prometheus is not None
            prometheus = running.prometheus
            scored = 'selfmis_windows_total{outcome="scored"}'
            until(lambda: value(prometheus, scored) == 0, "a scrape before anything is scored")
            # A source that keeps time, so that it knows how late it is; fast, and scraped meanwhile.
            live.ingest(at, settings(f"ingest.metrics_port={port}"), 60, CALM, speed=10)
            live.caught_up(client)
            seen = reading.counters(client, SHARDS)["windows|scored"]
            assert seen > 50
            until(lambda: value(prometheus, scored) == seen, "a scrape of all that was scored")
            yield Watched(at, client, url, door, prometheus, alerts, since)


@pytest.mark.timeout(600)
def test_an_infarct_in_the_stream_rings_at_the_webhook_and_stops_when_acknowledged(watched: Watched) -> None:
    client, prometheus, alerts = watched.client, watched.prometheus, watched.alerts
    until(lambda: "SelfmisDeadMansSwitch" in names(alerts), "the dead man's switch")
    assert value(prometheus, 'sum(selfmis_alarms_active{kind="mi"})') == 0

    live.ingest(watched.redis_url, settings(), 200, ONSET)
    until(lambda: ("SelfmisMIAlarm", "critical", "firing") in rung(alerts), "the infarct")

    live.caught_up(client)
    said = reading.alerts(client, SHARDS, 1000)
    patients = {alert["patient"] for alert in said if alert["patient"]}  # a system alarm has none
    for alarm, patient in {(a["alarm"], a["patient"]) for a in said if a["kind"] == "mi"}:
        asking = Command("-", Action.ACKNOWLEDGE, patient, "a nurse", alarm=alarm)
        key = commands_key(shard_of(patient.encode(), SHARDS))
        client.xadd(key, {COMMAND_FIELD: asking.to_json()})
    until(
        lambda: names(asked(prometheus, "alerts")["alerts"]).isdisjoint({"SelfmisMIAlarm"}),
        "silence after the acknowledgement",
    )
    rules = [rule for group in asked(prometheus, "rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 20
    assert {rule["health"] for rule in rules if rule["lastEvaluation"] > "1"} == {"ok"}
    text = httpx.get(f"{watched.url}/metrics").text
    assert patients
    assert not any(name in text for name in patients)


def course(watched: Watched, panel: boards.Asked) -> list[float]:
    """What a panel of Grafana gets: every finite value of every series of its expression."""
    query, end = boards.spelled_out(boards.filled(panel.expr, job="selfmis")), time.time()
    if panel.now:
        rows = asked(watched.prometheus, "query", query=query, time=str(end))["result"]
        values = [row["value"] for row in rows]
    else:
        rows = asked(
            watched.prometheus, "query_range", query=query, start=str(watched.since), end=str(end), step="1"
        )["result"]
        values = [value for row in rows for value in row["values"]]
    return [number for _, told in values if math.isfinite(number := float(told))]


# Boards whose series no monitor has, and where their queries are held to real ones instead.
ELSEWHERE = {"selfmis-training": "Ray's own targets: test_grafana.py, on what a run of Ray Train exposed"}


@pytest.mark.timeout(600)
def test_every_panel_of_grafana_shows_data(watched: Watched) -> None:
    frame = {"patient": "a", "session": 1, "first": 0, "rate_hz": 100, "lead": "I", "mv": [0.0] * 100}
    answer = httpx.post(f"{watched.gateway}/v1/frames", json=[frame])
    assert answer.is_success, answer.text

    queries = [each for each in boards.asked() if each.board not in ELSEWHERE]
    assert len(queries) > 60
    patience = time.monotonic() + 60  # some come with a scrape or an alert that is yet to be
    while queries and time.monotonic() < patience:
        queries = [each for each in queries if not course(watched, each)]
    assert list(map(str, queries)) == []


def test_what_is_missing_is_said_in_a_line_and_the_rest_runs(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = watch().model_copy(update={"alertmanager_port": taken.getsockname()[1]})
        with alerting(tmp_path, wanted, {}) as running:
            assert running.alertmanager is None
            assert running.prometheus is not None
            (said,) = running.missing
            assert f"port {taken.getsockname()[1]} is taken by something else" in said
            assert "watch.alertmanager_port" in said
            assert not asked(running.prometheus, "alertmanagers")["activeAlertmanagers"]
    assert not Path(tmp_path / "prometheus" / "data" / "lock").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    with alerting(tmp_path, watch(), {}) as running:
        assert running == Alerting(
            None,
            None,
            (
                "no Alertmanager: prometheus-alertmanager or alertmanager is not on the PATH",
                "no Prometheus: prometheus is not on the PATH",
            ),
        )


def test_a_configuration_that_it_refuses_is_told_in_its_own_words(installed: None, tmp_path: Path) -> None:
    with alerting(tmp_path, watch(), {}, every="soon") as running:
        (said,) = running.missing
        assert "not a valid duration" in said
        assert "\n" not in said


STARTER = """
import sys, time
from pathlib import Path
from deploy.alerting import alerting
from shared.sections import WatchSettings
wanted = WatchSettings(prometheus_port=int(sys.argv[2]), alertmanager_port=int(sys.argv[3]))
with alerting(Path(sys.argv[1]), wanted, {}) as a:
    print(a.missing, flush=True)
    time.sleep(60)
"""


def test_both_end_with_whoever_started_them_even_when_that_is_killed(installed: None, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path), str(free_port()), str(free_port())]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "()\n"
        below = psutil.Process(starter.pid).children(recursive=True)
        assert sum("prometheus" in process.cmdline()[0] for process in below) == 2
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert alive == []


def test_every_address_is_replaced_and_jobs_without_one_go() -> None:
    config = prometheus_config({"selfmis": "a:1"}, own="b:2", alertmanager="c:3")
    assert {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]} == {
        "selfmis": ["a:1"],
        "prometheus": ["b:2"],
    }
    assert "c:3" in yaml.safe_dump(config["alerting"])
    assert "alerting" not in prometheus_config({}, own="b:2", alertmanager=None)


def test_all_webhooks_go_to_one_address_or_nowhere() -> None:
    def hooks(url: str | None) -> list[str]:
        receivers = alertmanager_config(url)["receivers"]
        return [hook["url"] for receiver in receivers for hook in receiver.get("webhook_configs", [])]

    assert hooks("http://x/y") == ["http://x/y"] * 4
    assert hooks(None) == []
