"""One peer under load, and one peer killed: real processes, an empty Redis each time, our ingest."""

import functools
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import load
from benchmarks.ingest import cpu_seconds
from benchmarks.peers.counting import Toll, of_ours, of_peer
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.job import RESULTS, Job, Read
from benchmarks.replica import Replica, bare
from benchmarks.waiting import until
from services.inference.api import reading
from services.inference.engine import Engine
from shared.errors import SelfmisError
from shared.redis.connection import Client, connect
from shared.redis.embedded import embedded

_BARE_S = 2.0
_ENOUGH = 0.97
_DRAIN_S = 60.0
_QUIET_S = 5.0
_KEEP_S = 3600.0
FIRST_RESULT_S = 120.0
_until = functools.partial(until, who="peers", seconds=FIRST_RESULT_S)

Peer = Callable[[Job, Path], Fleet]


@dataclass(frozen=True, slots=True)
class Measured:
    """A peer at one number of patients. Microseconds are processor time a window.

    ``overhead_us_per_window``: the peer's processes and Redis, without the bare model at the batches it came to
    (``mean_batch``); the ingest process, the same for all, stands beside it. ``rss_mb``: the peer's processes.
    """

    patients: int
    held: bool
    windows_per_s: float
    overhead_us_per_window: float
    p99_latency_s: float
    rss_mb: float
    peer_us: float
    redis_us: float
    model_us: float
    ingest_us: float
    mean_batch: float


@dataclass(frozen=True, slots=True)
class Harmed:
    """What a fault cost. ``hit``: who met it, in words; ``due``: windows there had to be."""

    hit: str
    due: int
    lost: int
    doubled: int
    strange: int

    @classmethod
    def of(cls, hit: str, toll: Toll) -> "Harmed":
        """From what was counted."""
        return cls(hit, toll.due, toll.lost, toll.doubled, toll.strange)


@contextmanager
def _redis(folder: Path) -> Iterator[tuple[str, int, Client]]:
    with embedded(folder / "redis", port=0, maxmemory_mb=4096) as redis, connect(redis.url) as client:
        yield redis.url, redis.pid, client


def ours(setup: load.Setup, folder: Path, patients: int) -> Measured:
    """The monitor's replicas, as `bench capacity` measures them."""
    level = load.measure(setup, folder, patients)
    costs = level.costs
    return Measured(
        patients=patients,
        held=level.held,
        windows_per_s=level.windows_per_s,
        overhead_us_per_window=costs.monitor_us + costs.redis_us,
        p99_latency_s=level.p99_latency_s,
        rss_mb=level.rss_mb,
        peer_us=costs.monitor_us,
        redis_us=costs.redis_us,
        model_us=costs.model_us,
        ingest_us=costs.ingest_us,
        mean_batch=level.mean_batch,
    )


def theirs(setup: load.Setup, folder: Path, patients: int, peer: Peer, engine: Engine) -> Measured:
    """A peer of ours, the same way."""
    with ExitStack() as stack:
        url, redis_pid, client = stack.enter_context(_redis(folder))
        fleet = peer(Job.of(url, setup.model, setup.settings, setup.replicas), folder)
        stack.callback(fleet.close)
        fleet.start(client)
        ingest = load.start_ingest(folder, url, patients, setup.settings, stack)
        _first_result(client, fleet.name)
        time.sleep(setup.settings.window.stride_s)  # until windows of everybody come, see load
        processes = psutil.Process(redis_pid), psutil.Process(ingest.pid)
        after, began_s = _newest(client), time.monotonic()
        began = [fleet.cpu_s(), *map(cpu_seconds, processes)]
        time.sleep(setup.seconds)
        ended = [fleet.cpu_s(), *map(cpu_seconds, processes)]
        took_s, rss_mb = time.monotonic() - began_s, fleet.rss_mb()
        result = Read.of(client, f"({after}")
        ingest.send_signal(signal.SIGINT)
        ingest.wait(60)
        fleet.close()
        batch = len(result.rows) / max(result.batches, 1e-9)
        model_s = bare(engine, max(1, round(batch)), _BARE_S).cpu_s
    windows = len(result.rows)
    if not windows:
        raise SelfmisError(
            f"bench peers: {fleet.name} gave no window in {setup.seconds:g} s at {patients:,} patients"
        )
    peer_us, redis_us, ingest_us = ((b - a) / windows * 1e6 for a, b in zip(began, ended, strict=True))
    p99 = float(np.quantile(np.maximum(0, result.at_us - result.rows["end_us"]) / 1e6, 0.99))
    due = patients / setup.settings.window.stride_s
    return Measured(
        patients=patients,
        held=p99 <= setup.limit_s and windows / took_s >= _ENOUGH * due,
        windows_per_s=windows / took_s,
        overhead_us_per_window=peer_us - model_s * 1e6 + redis_us,
        p99_latency_s=p99,
        rss_mb=rss_mb,
        peer_us=peer_us - model_s * 1e6,
        redis_us=redis_us,
        model_us=model_s * 1e6,
        ingest_us=ingest_us,
        mean_batch=batch,
    )


# What is done to a peer's processes in the midst: gives who was hit, in words.
Fault = Callable[[Fleet, Client], str]


def harm_theirs(
    setup: load.Setup, folder: Path, patients: int, peer: Peer, engine: Engine, fault: Fault
) -> Harmed:
    """A fault in the midst; let it finish, and count its results against the log read once."""
    with ExitStack() as stack:
        url, _, client = stack.enter_context(_redis(folder))
        fleet = peer(Job.of(url, setup.model, setup.settings, setup.replicas), folder)
        stack.callback(fleet.close)
        fleet.start(client)
        ingest = load.start_ingest(folder, url, patients, setup.settings, stack, horizon_s=_KEEP_S)
        _first_result(client, fleet.name)
        time.sleep(setup.seconds / 2)
        hit = fault(fleet, client)
        time.sleep(setup.seconds / 2)
        ingest.send_signal(signal.SIGINT)
        ingest.wait(60)
        _drained(lambda: _newest(client))
        return Harmed.of(hit, of_peer(client, setup.settings, engine))


def harm_ours(setup: load.Setup, folder: Path, patients: int, engine: Engine, *, kill: bool) -> Harmed:
    """The same of ours: a replica is killed, or stopped until its leases are others'; another one joins."""
    shards = setup.settings.stream.shards
    with ExitStack() as stack:
        url, _, client = stack.enter_context(_redis(folder))
        replicas = [
            stack.enter_context(Replica(url, f"replica-{i}", setup.model, setup.settings))
            for i in range(setup.replicas)
        ]
        for replica in replicas:
            replica.mark()
        _until(lambda: reading.standing(client, shards).owned == shards, "the replicas own all shards")
        ingest = load.start_ingest(folder, url, patients, setup.settings, stack, horizon_s=_KEEP_S)
        _until(lambda: load.windows_committed(client, shards) > 0, "windows are committed")
        time.sleep(setup.seconds / 2)
        again = Replica(url, "replica-again", setup.model, setup.settings)
        if kill:
            replicas[0].kill()
            stack.enter_context(again).mark()
        else:
            with replicas[0].stopped():
                stack.enter_context(again).mark()
                time.sleep(2 * setup.settings.monitor.lease_s)
        time.sleep(setup.seconds / 2)
        ingest.send_signal(signal.SIGINT)
        ingest.wait(60)
        _drained(lambda: load.windows_committed(client, shards))
        return Harmed.of("a replica", of_ours(client, setup.settings, engine))


def search(try_at: Callable[[int], Measured], patients: int, least: int) -> Measured:
    """At so many patients; where that is not held, at half as many, until it is or no ``least`` are left."""
    found = try_at(patients)
    while not found.held and patients // 2 >= least:
        patients //= 2
        found = try_at(patients)
    return found


def _newest(client: Client) -> str:
    last: Any = client.xrevrange(RESULTS, count=1)
    return last[0][0].decode() if last else "0-0"


def _first_result(client: Client, name: str) -> None:
    _until(lambda: _newest(client) != "0-0", f"{name} gives its first window")


def _drained(progress: Callable[[], object]) -> None:
    """Until nothing has come for a while, longer than a window may wait for late samples."""
    deadline = time.monotonic() + _DRAIN_S
    seen, since = progress(), time.monotonic()
    while time.monotonic() < min(deadline, since + _QUIET_S):
        time.sleep(0.2)
        now = progress()
        if now != seen:
            seen, since = now, time.monotonic()
