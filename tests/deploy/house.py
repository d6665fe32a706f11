"""The application on a real Ray with Serve, and what tests do to it."""

import threading
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from ray.serve.context import _get_global_client  # `serve deploy` reaches it through a dashboard, which is off
from ray.serve.schema import ServeDeploySchema

from deploy.demo.watch import caught_up
from services.inference.api import reading
from services.inference.engine import Engine, open_engine
from services.inference.monitor.offline import Differences, compare, offline
from services.inference.monitor.pulse import pulses
from services.inference.monitor.shard import ShardRules
from services.ingest.scenario import parse
from services.ingest.streaming import Plan, stream
from services.ingest.ward import ward_of
from shared.artefact import Model
from shared.redis.connection import Client
from shared.sections import EngineSettings
from shared.settings import load
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SHARDS = 4
# Of Serve: what cannot start is not tried three times.
FAIL_AT_ONCE = {"RAY_SERVE_MAX_PER_REPLICA_RETRY_COUNT": "1"}
# An untrained model finds any-MI near one half everywhere; thresholds around it make alarms come and go.
ALARM = {"off": 0.50, "low": 0.51, "medium": 0.52, "high": 0.53}
ALARM |= {"smoothing": 1, "on_windows": 2, "of_windows": 3, "off_windows": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "stream": {"shards": SHARDS, "replay_horizon_s": 86400},
    "monitor": {"lease_s": 2, "heartbeat_s": 0.3, "pace_s": 0.02},
    "ingest": {"metrics_port": 0, "max_lag_s": 1e6},
}
SCENARIO = """
name: t
seed: 4
rates_hz: [100, 250]
network: {loss: 0.01, duplication: 0.02, reorder: 0.05, delay_s: 1.5, outages_per_hour: 20, outage_s: 6}
patients:
  - {kind: NORM, count: 14}
  - {kind: IMI, count: 4, onset_s: [10, 40], evolution: 600}
  - {kind: NORM, count: 2, effects: [{type: lead_off, start_s: 10, stop_s: 40}]}
"""


class House:
    """The application as `serve deploy deploy/serve.yaml` makes it, with another model, Redis and pace."""

    def __init__(self, port: int, url: str, client: Client, model: Model) -> None:
        self.web = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.url, self.client, self.model = url, client, model
        self.serve: Any = _get_global_client()

    def config(self, file: str = "serve.yaml", **monitor: Any) -> dict[str, Any]:
        """A config file of ours for this house. ``monitor``: other options of that deployment."""
        config: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / file).read_text(encoding="utf-8"))
        del config["http_options"]  # Serve runs, on a port of its own
        application = config["applications"][0]
        application["args"] |= {"model": str(self.model.folder), "redis_url": self.url, "settings": SETTINGS}
        application["deployments"][0] |= {"user_config": {"alarm": ALARM}, **monitor}
        return config

    def submit(self, config: dict[str, Any]) -> None:
        """What `serve deploy` does."""
        self.serve.deploy_apps(ServeDeploySchema.model_validate(config))

    def deploy(self, replicas: int = 1, **monitor: Any) -> frozenset[int]:
        """Deploy so many replicas and wait until they share the shards; their processes."""
        self.submit(self.config(num_replicas=replicas, **monitor))
        until(lambda: self.runs() and len(self.replicas()) == replicas, f"{replicas} replicas", 90)
        until(lambda: len(dict(pulses(self.client))) == replicas and self.owned() == SHARDS, "the shards' owners")
        return self.replicas()

    def status(self) -> str:
        """Of the application, as Serve says it."""
        return str(self.serve.get_serve_status("selfmis").app_status.status.value)

    def runs(self) -> bool:
        """Whether the application runs; fails where it never will."""
        assert self.status() != "DEPLOY_FAILED", self.serve.get_serve_status("selfmis")
        return self.status() == "RUNNING"

    def replicas(self) -> frozenset[int]:
        """The processes of the monitor's replicas."""
        return self.processes("ray::ServeReplica:selfmis:Monitor")

    def processes(self, title: str) -> frozenset[int]:
        """The processes below us whose title begins so."""
        found = set()
        for process in psutil.Process().children(recursive=True):
            try:
                if process.cmdline() and process.cmdline()[0].startswith(title):
                    found.add(process.pid)
            except psutil.NoSuchProcess:  # it ended while we looked
                continue
        return frozenset(found)

    def owned(self) -> int:
        """How many shards have an owner."""
        return reading.standing(self.client, SHARDS).owned

    def ingest(self, seconds: float = 60, *, speed: float = float("inf")) -> None:
        """Stream the scenario, anew each time."""
        scenario = parse(SCENARIO, "t")
        faults = scenario.network.faults()
        sources = ward_of(scenario, Path()).sources
        plan = Plan("t", scenario.digest(), sources, speed, seconds, faults, scenario.seed, new_run=True)
        stream(plan, self._settings(), self.url, stop=threading.Event(), live=False)

    def meanwhile(self, seconds: float = 120, *, speed: float = 15) -> threading.Thread:
        """The same beside us."""
        thread = threading.Thread(target=self.ingest, args=(seconds,), kwargs={"speed": speed})
        thread.start()
        return thread

    def catch_up(self) -> None:
        """Wait until every entry is committed."""
        until(lambda: caught_up(self.client, SHARDS), "the last commit", 90)

    def differences(self) -> Differences:
        """What is committed against an offline run of the same log."""
        settings, engine = self._settings(), self.engine()
        rules, missing = ShardRules.of(settings), settings.window.max_missing
        found = [
            compare(self.client, s, offline(self.client, s, rules, engine, max_missing=missing))
            for s in range(SHARDS)
        ]
        return Differences(*(sum(getattr(d, f) for d in found) for f in ("alerts", "latest", "counters")))

    def engine(self) -> Engine:
        """The very engine that replicas open."""
        return open_engine(self.model, EngineSettings())

    def mi_alerts(self) -> list[dict[str, Any]]:
        """All alerts about infarcts, oldest first."""
        return [a for a in reversed(reading.alerts(self.client, SHARDS, 10_000)) if a["kind"] == "mi"]

    def _settings(self) -> Any:
        nested = {**SETTINGS, "alarm": ALARM}
        overrides = [f"{section}.{key}={value}" for section, keys in nested.items() for key, value in keys.items()]
        return load(environ={}, overrides=overrides).settings
