"""The whole system as real processes: Redis, ingest, Monitor replicas (plain or under Ray Serve), wires between.

What a service manager would start again is started again. Nothing here knows what goes wrong.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks.faults import clocks
from benchmarks.faults.clocks import SteppedClock
from benchmarks.faults.disk import NoDisk, private_disk, unmount
from benchmarks.faults.service import Service
from benchmarks.faults.wire import Wire
from services.ingest import runs
from services.ingest.runs import Run
from shared.errors import SelfmisError
from shared.ports import free_ports
from shared.redis.connection import RedisUnavailable, connect
from shared.settings import Settings, load

SOURCE = "faults"
AOF = "appendonly.aof"
# Ports that Linux gives to no client, so that a server that dies finds its own free again.


class HouseError(SelfmisError):
    """The system did not come up, or did not end its work."""


@dataclass(frozen=True, slots=True)
class Build:
    """What to run. ``overrides``: settings of all processes. ``disk_mb``: size of the disk of Redis' own.

    ``measured``: see `benchmarks.faults.measured` (not under ``serve``); ``leak_mb_per_h``: of the first replica.
    """

    folder: Path
    scenario: str
    model: Path
    overrides: tuple[str, ...]
    seconds: float
    patients: int
    replicas: int
    serve: bool
    disk_mb: int
    maxmemory_mb: int
    measured: bool = False
    leak_mb_per_h: float = 0.0

    @property
    def settings(self) -> Settings:
        """As all processes have them."""
        return load(environ={}, overrides=self.overrides).settings


class House:
    """Enter it to start everything but ingest; leave it, and nothing is left running.

    Drive it with `tick`, from the thread that entered it: only there the disk of Redis is to be seen.
    """

    def __init__(self, build: Build) -> None:
        self.build = build
        self.there: frozenset[str] = frozenset()
        self.redis_folder = build.folder / "redis"
        self.clocks: dict[str, SteppedClock] = {}
        self.run: Run | None = None
        self.aof: list[tuple[float, int, int]] = []
        """When the log of Redis had which size, and of which file; the last seconds of it."""
        self.bytes_cut = 0
        """What was taken from that log, in all, where power was lost."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        build = self.build
        self.redis_folder.mkdir(mode=0o700)
        there = {"serve" if build.serve else "plain"}
        with suppress(NoDisk):
            private_disk(self.redis_folder, build.disk_mb)
            self._stack.callback(unmount, self.redis_folder)
            there.add("mount")
        library = clocks.library(build.folder)
        if library is not None:
            there.add("compiler")
            names = ("redis", "ingest") if build.serve else ("redis", "ingest", "replica-0")
            self.clocks = {name: SteppedClock(library, build.folder / f"clock-{name}") for name in names}
        self.there = frozenset(there)
        (build.folder / "faults.yaml").write_text(build.scenario, encoding="utf-8")
        (port, web) = free_ports(2)
        self.port, self.web = port, web
        self.redis = self._service("redis", self._redis_command)
        self.redis.start()
        self._until(self._redis_answers, 60, "Redis answers", self.redis)
        self.wires = {
            "monitor": self._stack.enter_context(Wire(port)),
            "ingest": self._stack.enter_context(Wire(port)),
        }
        self.ingest = self._service("ingest", self._ingest_command)
        self.monitors = [self._service("serve", self._serve_command)] if build.serve else [
            self._service(f"replica-{i}", lambda i=i: self._replica_command(i)) for i in range(build.replicas)
        ]  # fmt: skip
        for each in self.monitors:
            each.start()

    @property
    def url(self) -> str:
        """Of Redis itself, past the wires."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def services(self) -> list[Service]:
        """All of them."""
        return [self.redis, self.ingest, *self.monitors]

    def tick(self) -> None:
        """What a service manager does, and a look at the log of Redis."""
        for service in self.services:
            if service is not self.ingest or not self.streamed:
                service.tick()
        with suppress(FileNotFoundError):
            found = (self.redis_folder / AOF).stat()
            self.aof = [*self.aof[-200:], (time.monotonic(), found.st_size, found.st_ino)]

    def sleep(self, seconds: float) -> None:
        """Keep all running for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.tick()
            time.sleep(min(0.05, left))

    @property
    def streamed(self) -> bool:
        """Whether ingest has come to its end, all frames confirmed."""
        return self.ingest.code == 0

    def stream(self) -> Run:
        """Let ingest begin; the run that all samples belong to."""
        self.ingest.start()
        self._until(self._run_known, 60, "ingest begins", self.ingest)
        assert self.run is not None  # noqa: S101 - what was waited for, for the type checker
        return self.run

    def redis_pid(self) -> int | None:
        """Redis itself, below its service."""
        return next((p.pid for p in self.redis.processes() if _name(p) == "redis-server"), None)

    def replica_pids(self) -> list[int]:
        """All replicas that live now."""
        if not self.build.serve:
            return [pid for service in self.monitors if (pid := service.pid) is not None]
        return self.serve_pids("ray::ServeReplica:selfmis:Monitor")

    def serve_pids(self, title: str) -> list[int]:
        """Processes of Ray by how their title, or the name of their program, begins."""
        found = []
        for process in self.monitors[0].processes():
            with suppress(psutil.NoSuchProcess):
                line = process.cmdline()
                if line and (line[0].startswith(title) or Path(line[0]).name == title):
                    found.append(process.pid)
        return found

    def _service(self, name: str, command: Any) -> Service:
        clock = self.clocks.get(name)
        service = Service(name, command, self.build.folder / f"{name}.log", clock.environ if clock else None)
        self._stack.callback(service.stop)
        return service

    def _redis_command(self) -> Sequence[str]:
        settings = {
            "redis.data_dir": self.redis_folder,
            "redis.port": self.port,
            "redis.maxmemory_mb": self.build.maxmemory_mb,
        }
        return [sys.executable, "-m", "deploy.redis", *_sets(settings)]

    def _ingest_command(self) -> Sequence[str]:
        command = [*self._module("services.ingest.run"), str(self.build.folder / "faults.yaml")]
        command += ["--duration", str(self.build.seconds)]
        wire = {"redis.url": f"redis://127.0.0.1:{self.wires['ingest'].port}/0"}
        return [*command, *_sets(dict(o.split("=", 1) for o in self.build.overrides)), *_sets(wire)]

    def _replica_command(self, number: int) -> Sequence[str]:
        module = self._module("benchmarks.faults.replica", 0.0 if number else self.build.leak_mb_per_h)
        return [*module, self._monitor_url, f"replica-{number}", str(self.build.model), *self.build.overrides]

    def _module(self, name: str, leak_mb_per_h: float = 0.0) -> list[str]:
        beside = ["benchmarks.faults.measured", str(leak_mb_per_h)] if self.build.measured else []
        return [sys.executable, "-m", *beside, name]

    def _serve_command(self) -> Sequence[str]:
        nested: dict[str, dict[str, str]] = {}
        for override in self.build.overrides:
            name, _, value = override.partition("=")
            section, _, key = name.partition(".")
            nested.setdefault(section, {})[key] = value
        module = [sys.executable, "-m", "benchmarks.faults.serving", self._monitor_url, str(self.build.model)]
        return [*module, str(self.build.replicas), str(self.web), json.dumps(nested)]

    @property
    def _monitor_url(self) -> str:
        return f"redis://127.0.0.1:{self.wires['monitor'].port}/0"

    def _redis_answers(self) -> bool:
        with suppress(RedisUnavailable), connect(self.url):
            return True
        return False

    def _run_known(self) -> bool:
        with connect(self.url) as client:
            self.run = runs.stored(client, SOURCE)
        return self.run is not None

    def _until(self, condition: Any, seconds: float, what: str, service: Service) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise HouseError(f"bench faults: waited {seconds:g} s in vain until {what}: {service.said()}")
            time.sleep(0.1)


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may have gone."""
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _sets(settings: Mapping[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def _name(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return str(process.name())
    return ""
