"""A ward whose Redis, ingest and monitor run on several machines, held against the run without faults."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from benchmarks.faults.command import FIXED, KEPT, scenario, thresholds
from benchmarks.faults.expected import entries, expected
from benchmarks.faults.house import SOURCE
from benchmarks.faults.run import caught_up, read, shares
from benchmarks.faults.verdict import Verdict, judge
from services.inference.engine import open_engine
from services.inference.monitor.elapsed import elapsed_of
from services.ingest import runs
from shared.artefact import Model
from shared.redis.connection import Client, RedisUnavailable, connect
from shared.redis.embedded import find_executable
from shared.settings import load
from shared.shards import lease_key
from tests.deploy.machines import Machine, Network

LEASE_S = 4.0
MORE = (f"monitor.lease_s={LEASE_S}", "monitor.heartbeat_s=0.8", "window.stride_s=2")
PORT = 6379


def redis_on(machine: Machine, folder: Path, *options: str) -> None:
    """A Redis with an append-only file there, open to the network."""
    folder.mkdir()
    where = ["--bind", machine.address, "--port", str(PORT), "--protected-mode", "no", "--dir", str(folder)]
    command = [str(find_executable()), *where, "--save", "", "--appendonly", "yes", *options]
    machine.run(folder.name, lambda: command)


def one_redis(net: Network, folder: Path) -> str:
    """A Redis on a machine of its own; its URL."""
    machine = net.machine("redis")
    redis_on(machine, folder / "redis")
    return f"redis://{machine.address}:{PORT}/0"


class Ward:
    """Ingest on a machine, patients that stream to the Redis at ``url`` in real time, and what must come of it."""

    def __init__(
        self, net: Network, folder: Path, model: Model, url: str, *, seconds: float, patients: int, shards: int
    ) -> None:
        self.net, self.model, self.url, self.seconds, self.shards = net, model, url, seconds, shards
        self.overrides = (*FIXED, *KEPT, *thresholds(model), *MORE, f"stream.shards={shards}")
        self.settings = load(environ={}, overrides=self.overrides).settings
        self.scenario = scenario(patients, seed=6)
        self._file = folder / "ward.yaml"
        self._file.write_text(self.scenario, encoding="utf-8")
        self._gate = net.machine("gate")
        self.until(self._answers, "Redis answers")
        self.client: Client = connect(self.url)

    def stream(self) -> None:
        """Let ingest begin."""
        words = [word for o in (*self.overrides, f"redis.url={self.url}") for word in ("--set", o)]
        command = [sys.executable, "-m", "services.ingest.run", str(self._file), "--duration", str(self.seconds)]
        self._ingest = self._gate.run("ingest", lambda: [*command, *words])
        self.until(lambda: runs.stored(self.client, SOURCE), "ingest begins")
        self._run = runs.stored(self.client, SOURCE)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 300) -> None:
        """Wait for something that must come, and keep running meanwhile what should run."""
        deadline = time.monotonic() + seconds
        while not self._holds(condition):
            self.sleep(0.1)
            said = {each.name: each.said() for machine in self.net.machines for each in machine.services}
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s: {said}"

    def sleep(self, seconds: float) -> None:
        """As a service manager waits: what has ended is started again, but for what has done its work."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for machine in self.net.machines:
                for service in machine.services:
                    service.held = service.held or service.code == 0
                    service.tick()
            time.sleep(0.05)

    def replica_on(self, machine: Machine, name: str) -> None:
        """A plain replica of the monitor."""
        module = [sys.executable, "-m", "benchmarks.faults.replica"]
        machine.run(name, lambda: [*module, self.url, name, str(self.model.folder), *self.overrides])

    def owners(self) -> dict[str, int]:
        """How many shards each replica owns, as the leases say."""
        found: dict[str, int] = {}
        for shard in range(self.shards):
            token: Any = self.client.get(lease_key(shard))
            if token is not None:
                name = token.decode().rpartition(":")[0]
                found[name] = found.get(name, 0) + 1
        return found

    def shared_by(self, replicas: int) -> bool:
        """Whether so many replicas own all shards."""
        owners = self.owners()
        return len(owners) == replicas and sum(owners.values()) == self.shards

    def verdict(self) -> Verdict:
        """Once all was sent and committed: against the run without faults."""
        self.until(lambda: self._ingest.code == 0, "the end of the stream", self.seconds + 300)
        self.until(lambda: caught_up(self.client, self.shards), "the last commit")
        committed = [read(self.client, shard) for shard in range(self.shards)]
        assert shares(committed, "windows|scored") > 200
        assert shares(committed, "alerts|mi|") > 5
        assert self._run is not None
        engine = open_engine(self.model, self.settings.engine)
        made = entries(self.scenario, self._run, self.seconds, self.settings)
        elapsed = [elapsed_of(json.loads(body) for _, body in one.alerts) for one in committed]
        return judge(committed, expected(made, self.settings, engine, elapsed))

    @staticmethod
    def _holds(condition: Callable[[], Any]) -> Any:
        with suppress(RedisError, OSError):  # it is away for a while: that is what is tested
            return condition()

    def _answers(self) -> bool:
        with suppress(RedisUnavailable), connect(self.url, timeout_s=1.0):
            return True
        return False
