"""The demo from start to end: Redis, Ray, Serve and ingest brought up, the ward watched, the run judged."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from deploy.alerting import alerting
from deploy.app import Arguments
from deploy.demo.summary import figures_of, told
from deploy.demo.verdict import verdict
from deploy.demo.view import NOTICE, line, panel
from deploy.demo.watch import Watch, caught_up, latency
from deploy.local import LocalError, free, local_serve
from services.inference.api import reading
from services.inference.engine import open_engine
from services.inference.monitor.offline import compare, offline
from services.inference.monitor.shard import ShardRules
from services.ingest.streaming import stopped_by_signals
from shared.artefact import Model, load, shipped, under
from shared.command import ANSWER_IS_NO, DONE
from shared.errors import SelfmisError
from shared.ports import free_port
from shared.redis.connection import Client, connect
from shared.redis.embedded import embedded
from shared.settings import Settings
from shared.settings import load as load_settings

HOME = Path("var/demo")
CATCH_UP_S = 60.0
EVERY_ALERT = 1_000_000
# The log of the whole run is kept, so that it can be run again offline; trends show a demo's short life in full.
FIXED = ("stream.replay_horizon_s=86400", "ingest.metrics_port=0", "monitor.trend_every_s=5")


def watched(arguments: argparse.Namespace) -> int:
    """Run the demo as its arguments say; the exit code tells whether the pipeline did its work."""
    overrides = [*FIXED, *arguments.set]
    settings = load_settings(config=arguments.config, overrides=overrides).settings
    console = Console()
    console.print(f"SelfMIS Monitor. {NOTICE}")
    free("127.0.0.1", arguments.port)
    HOME.mkdir(parents=True, exist_ok=True)
    model = load(arguments.model or shipped(settings.window.lead), expect_lead=settings.window.lead)
    with _redis(settings, console) as url:
        console.print("starting Ray and Serve …")
        app = Arguments(model=str(model.folder.resolve()), settings=_nested(overrides))
        environ = {"SELFMIS_REDIS_URL": url}
        with local_serve(app, replicas=arguments.replicas, host="127.0.0.1", port=arguments.port, environ=environ):
            where = f"http://127.0.0.1:{arguments.port}"
            console.print(f"The ward console is on {where}", soft_wrap=True)
            # Chosen as late as can be: Ray has taken its ports.
            metrics_port = settings.ingest.metrics_port or free_port()
            overrides.append(f"ingest.metrics_port={metrics_port}")
            targets = {"selfmis": f"127.0.0.1:{arguments.port}", "selfmis-ingest": f"127.0.0.1:{metrics_port}"}
            with _alerting(settings, targets, console):
                figures, said = _watch(arguments, settings, overrides, model, url, where, console)
    console.print(said, soft_wrap=True)
    if arguments.json is not None:
        try:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise SelfmisError(f"summary {arguments.json} cannot be written: {error.strerror}") from None
    return DONE if figures["pipeline_ok"] else ANSWER_IS_NO


def _watch(
    arguments: Any, settings: Settings, overrides: list[str], model: Model, url: str, where: str, console: Console
) -> tuple[dict[str, Any], str]:
    shards = settings.stream.shards
    truth = HOME / "truth.json"
    with connect(url, timeout_s=settings.redis.timeout_s) as client, stopped_by_signals() as stop:
        _wait(
            lambda: reading.standing(client, shards).owned == shards or stop.is_set(),
            60,
            "the shards have no owner",
        )
        watch = Watch(client, shards, where, model.manifest)
        with _ingest(arguments.scenario, url, truth, overrides) as ingest:
            begun = time.monotonic()
            with Live(panel(watch.now()), console=console, refresh_per_second=4, transient=True) as live:
                while not stop.wait(1.0) and ingest.poll() is None:
                    now = watch.now()
                    live.update(panel(now))
                    if not console.is_terminal and int(now.seconds) % 10 == 0:
                        console.print(line(now))
                    if arguments.seconds is not None and time.monotonic() - begun >= arguments.seconds:
                        break
            if ingest.poll() not in {None, 0}:
                log = HOME / "ingest.log"
                raise SelfmisError(
                    f"the ingest process ended with {ingest.returncode}: {_last_line(log)} (see {log})"
                )
        console.print("the ward has ended; waiting for the last windows, then running the log again offline …")
        p99 = latency(client, 0.99)
        _wait(lambda: caught_up(client, shards), CATCH_UP_S, "the monitor does not catch up")
        return _summary(client, settings, model, json.loads(truth.read_text(encoding="utf-8")), p99)


def _summary(
    client: Client, settings: Settings, model: Model, truth: dict[str, Any], p99: float | None
) -> tuple[dict[str, Any], str]:
    shards = settings.stream.shards
    engine = open_engine(model, settings.engine)
    rules = ShardRules.of(under(settings, model.manifest.alarm))
    mismatch = 0
    for shard in range(shards):
        expected = offline(client, shard, rules, engine, max_missing=settings.window.max_missing)
        mismatch += compare(client, shard, expected).total
    everybody = reading.patients(client, shards)
    until_us = int(everybody.records["end_us"].max()) if everybody.names else truth["origin_us"]
    judged = verdict(truth["patients"], reading.alerts(client, shards, EVERY_ALERT), until_us)
    counted = reading.counters(client, shards)
    figures = figures_of(counted, judged, engine, patients=len(everybody.names), mismatch=mismatch, p99_s=p99)
    return figures, told(figures, judged)


@contextmanager
def _redis(settings: Settings, console: Console) -> Iterator[str]:
    """A Redis of the demo's own, empty at the start; or the one that the settings name, if that is empty."""
    if settings.redis.url is not None:
        with connect(settings.redis.url, timeout_s=settings.redis.timeout_s) as client:
            if client.dbsize():
                raise LocalError(
                    "demo: redis.url (SELFMIS_REDIS_URL) names a Redis that is in use, and the demo would add its"
                    " simulated patients: unset it, or name an empty one"
                )
        yield settings.redis.url
        return
    folder = HOME / "redis"
    with embedded(folder, port=0, maxmemory_mb=settings.redis.maxmemory_mb) as server:
        if server.reused:
            raise LocalError(f"another demo runs in {HOME}: end it first (its Redis is process {server.pid})")
        with connect(server.url) as client:
            client.flushall()
        console.print(f"Redis is on {server.url}")
        yield server.url


@contextmanager
def _alerting(settings: Settings, targets: Mapping[str, str], console: Console) -> Iterator[None]:
    """Prometheus and Alertmanager, as far as they can be had; the demo needs neither."""
    with alerting(HOME.resolve(), settings.watch, targets) as running:
        for line in running.missing:
            console.print(f"[dim]{line}[/dim]", highlight=False)
        for what, where in (("Prometheus", running.prometheus), ("Alertmanager", running.alertmanager)):
            if where is not None:
                console.print(f"{what} is on {where}")
        yield


@contextmanager
def _ingest(scenario: Path, url: str, truth: Path, overrides: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """`selfmis ingest run` beside us. It ends when our end of its standard input does, however we went."""
    command = [sys.executable, "-m", "services.ingest.run", str(scenario), "--truth", str(truth), "--new-run"]
    command.append("--until-eof")
    for override in (*overrides, f"redis.url={url}"):
        command += ["--set", override]
    with (HOME / "ingest.log").open("wb") as log:
        # A session of its own: Ctrl-C is for us, and we end it in order.
        ingest = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield ingest
        finally:
            if ingest.stdin is not None:
                ingest.stdin.close()
            try:
                ingest.wait(20)
            except subprocess.TimeoutExpired:
                ingest.kill()
                ingest.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it wrote nothing"]
    return lines[-1].removeprefix("selfmis: ")[-200:]


def _wait(condition: Any, seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SelfmisError(f"{complaint}, after {seconds:.0f} s: see {HOME}")
        time.sleep(0.1)


def _nested(overrides: Sequence[str]) -> dict[str, dict[str, str | int | float | bool]]:
    nested: dict[str, dict[str, str | int | float | bool]] = {}
    for override in overrides:
        name, _, value = override.partition("=")
        section, _, key = name.partition(".")
        nested.setdefault(section, {})[key] = value
    return nested
