"""One level of load: real processes are started, watched for a while, and what they did is put into figures."""

import functools
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.ingest import cpu_seconds, wait_for_frames
from benchmarks.replica import Bare, Mark, Replica
from benchmarks.waiting import until
from services.inference.api import reading
from shared.errors import SelfmisError
from shared.ports import free_port
from shared.position import ShardPosition, parse_id
from shared.redis.connection import Client, connect
from shared.redis.embedded import embedded
from shared.settings import Settings
from shared.shards import position_key, stream_key

# A level is held only if nearly all windows that are due were committed meanwhile.
_ENOUGH = 0.97
_BARE_S = 3.0


class Overwhelmed(SelfmisError):
    """Nothing came through in time: a load far beyond what is held, or a machine that is busy with others."""


_until = functools.partial(until, who="capacity", error=Overwhelmed)


@dataclass(frozen=True, slots=True)
class Setup:
    """What all levels of a run have in common. ``limit_s``: the p99 latency that counts as held."""

    model: Path
    settings: Settings
    replicas: int
    seconds: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of processor time a window, all processes. ``overhead`` is everything but the bare model."""

    overhead_us_per_window: float
    monitor_us: float  # replicas without the bare model
    redis_us: float
    ingest_us: float
    model_us: float  # the bare model, at the run's batch, after the run
    read_us: float
    place_us: float
    score_us: float  # gaps, resampling, quality gate
    model_in_run_us: float  # the model within the run: above the bare one by caches shared with the rest
    judge_us: float
    commit_us: float
    own_us: float  # leases, heartbeats, the replica's pulse
    rest_us: float  # of the replicas' processor time: what none of the stages explains
    unexplained_share: float  # the same of all their processor time


@dataclass(frozen=True, slots=True)
class Level:
    """One level, measured."""

    patients: int
    held: bool
    seconds: float
    windows_per_s: float
    limit_windows_per_s: float  # the bare model on as many cores as the replicas' threads take
    ratio: float
    p50_latency_s: float  # last sample to commit, of every window
    p99_latency_s: float
    worst_latency_s: float
    lag_s: float
    ingest_lateness_p99_s: float
    frames_dropped: int
    mean_batch: float
    steps_per_s: float  # of one replica
    reloads: int  # of shards while it was measured: a quiet machine has none
    runtime: str
    cores_used: float
    rss_mb: float
    redis_rss_mb: float
    ingest_rss_mb: float
    costs: Costs

    def figures(self) -> dict[str, object]:
        """Flat, for people and programs."""
        flat: dict[str, object] = asdict(self)
        del flat["costs"]
        return flat | asdict(self.costs)

    def line(self) -> str:
        """One line of progress."""
        return (
            f"{self.patients:,} patients: {'held' if self.held else 'NOT held'},"
            f" {self.windows_per_s:,.0f} windows/s, p99 {self.p99_latency_s:.2f} s, lag {self.lag_s:.1f} s,"
            f" {self.costs.overhead_us_per_window:.0f} us a window beside the model's {self.costs.model_us:.0f}"
        )


@dataclass(frozen=True, slots=True)
class _Moment:
    at_s: float
    windows: int
    redis_s: float
    ingest_s: float
    marks: tuple[Mark, ...]


def measure(setup: Setup, folder: Path, patients: int) -> Level:
    """Start everything on an empty Redis, wait until windows flow, measure for the time asked, stop everything."""
    settings = setup.settings
    shards = settings.stream.shards
    with ExitStack() as stack:
        redis = stack.enter_context(embedded(folder / "redis", port=0, maxmemory_mb=4096))
        client = stack.enter_context(connect(redis.url))
        replicas = [
            stack.enter_context(Replica(redis.url, f"replica-{i}", setup.model, settings))
            for i in range(setup.replicas)
        ]
        for replica in replicas:
            replica.mark()
        _until(lambda: reading.standing(client, shards).owned == shards, "the replicas own all shards", seconds=60)
        ingest = start_ingest(folder, redis.url, patients, settings, stack)
        _until(
            lambda: windows_committed(client, shards) > 0 or ingest.poll() is not None,
            "windows are committed",
            seconds=120,
        )
        # The first windows of all patients come within a stride, with the growth of all memory.
        time.sleep(settings.window.stride_s)
        processes = psutil.Process(redis.pid), psutil.Process(ingest.pid)
        began = _moment(client, shards, processes, replicas)
        time.sleep(setup.seconds)
        ended = _moment(client, shards, processes, replicas)
        lag_s = _lag_s(client, shards)
        redis_rss, ingest_rss = (process.memory_info().rss / 1e6 for process in processes)
        ingest.send_signal(signal.SIGINT)
        ingest.wait(60)
        for replica in replicas:
            replica.finish()
        batch = _mean_batch(began, ended)
        for replica in replicas:
            replica.begin_bare(max(1, round(batch)), _BARE_S)
        bare = [replica.end_bare() for replica in replicas]
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    costs = _costs(began, ended, bare)
    took = ended.at_s - began.at_s
    windows = ended.windows - began.windows
    latencies = np.concatenate([mark.latency_s for mark in ended.marks])
    median, p99, worst = _percentiles(latencies)
    limit = sum(settings.engine.threads / each.cpu_s for each in bare)
    due = patients / settings.window.stride_s
    return Level(
        patients=patients,
        held=p99 <= setup.limit_s and windows / took >= _ENOUGH * due and not summary["frames_dropped"],
        seconds=round(took, 1),
        windows_per_s=windows / took,
        limit_windows_per_s=limit,
        ratio=windows / took / limit,
        p50_latency_s=median,
        p99_latency_s=p99,
        worst_latency_s=worst,
        lag_s=lag_s,
        ingest_lateness_p99_s=float(summary["lateness_p99_s"]),
        frames_dropped=int(summary["frames_dropped"]),
        mean_batch=batch,
        steps_per_s=sum(e.steps - b.steps for b, e in _pairs(began, ended)) / took / setup.replicas,
        reloads=sum(e.reloads - b.reloads for b, e in _pairs(began, ended)),
        runtime=f"{bare[0].runtime} {bare[0].precision}",
        cores_used=(costs.overhead_us_per_window + costs.model_us) * windows / took / 1e6,
        rss_mb=sum(mark.rss for mark in ended.marks) / 1e6,
        redis_rss_mb=redis_rss,
        ingest_rss_mb=ingest_rss,
        costs=costs,
    )


def crowd(patients: int, over_s: float) -> str:
    """The scenario: people begin whenever they begin, so that windows close all the time and not all at once."""
    group = {"crowd": patients, "together": max(50, min(2500, patients // 8))}
    return json.dumps(
        {"name": "load", "frame_s": 1.0, "begin_over_s": over_s, "rates_hz": [100], "patients": [group]}
    )


def start_ingest(
    folder: Path, url: str, patients: int, settings: Settings, stack: ExitStack, *, horizon_s: float = 5
) -> "subprocess.Popen[bytes]":
    """The ingest process, streaming; it is ended with the stack. ``horizon_s``: what is done stays so long."""
    (folder / "load.yaml").write_text(crowd(patients, settings.window.stride_s), encoding="utf-8")
    port = free_port()
    overrides = {
        "redis.url": url,
        "ingest.metrics_port": port,
        "stream.shards": settings.stream.shards,
        "stream.replay_horizon_s": horizon_s,
        "stream.max_entry_bytes": settings.stream.max_entry_bytes,
        # What falls behind shall be seen, not held back.
        "ingest.max_lag_s": 1e6,
    }
    command = [sys.executable, "-m", "selfmis", "ingest", "run", str(folder / "load.yaml")]
    command += ["--json", str(folder / "summary.json")]
    for name, value in overrides.items():
        command += ["--set", f"{name}={value}"]
    ingest = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    stack.callback(ingest.wait)
    stack.callback(ingest.kill)
    wait_for_frames(ingest, port)
    return ingest


def _moment(
    client: Client, shards: int, processes: tuple[psutil.Process, psutil.Process], replicas: Sequence[Replica]
) -> _Moment:
    windows = windows_committed(client, shards)
    redis, ingest = map(cpu_seconds, processes)
    return _Moment(time.monotonic(), windows, redis, ingest, tuple(replica.mark() for replica in replicas))


def windows_committed(client: Client, shards: int) -> int:
    """Windows committed, whatever their outcome."""
    counted = reading.counters(client, shards)
    return sum(amount for name, amount in counted.items() if name.startswith("windows|"))


def _lag_s(client: Client, shards: int) -> float:
    """How much older than its newest entry the offset of the shard is that is most behind."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.xrevrange(stream_key(shard), count=1)
        pipe.hgetall(position_key(shard))
    replies: list[Any] = pipe.execute()
    lags = [0]
    for newest, fields in zip(replies[::2], replies[1::2], strict=True):
        if newest:
            committed = parse_id(ShardPosition.from_redis(fields).offset)
            lags.append(parse_id(newest[0][0].decode())[0] - committed[0])
    return max(lags) / 1000


def _pairs(began: _Moment, ended: _Moment) -> list[tuple[Mark, Mark]]:
    return list(zip(began.marks, ended.marks, strict=True))


def _percentiles(latency_s: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    """Median, 99th percentile and the worst; infinite where nothing came."""
    if not len(latency_s):
        return math.inf, math.inf, math.inf
    median, p99, worst = np.quantile(latency_s, [0.5, 0.99, 1.0]).tolist()
    return median, p99, worst


def _mean_batch(began: _Moment, ended: _Moment) -> float:
    pairs = _pairs(began, ended)
    batches = sum(e.batches - b.batches for b, e in pairs)
    return sum(e.windows - b.windows for b, e in pairs) / max(1, batches)


def _costs(began: _Moment, ended: _Moment, bare: Sequence[Bare]) -> Costs:
    pairs = _pairs(began, ended)
    windows = ended.windows - began.windows
    own = sum(e.windows - b.windows for b, e in pairs)  # marks are a moment later than the counters
    if not windows or not own:
        raise Overwhelmed("bench capacity: no window was committed while it was measured: ask for more --seconds")
    stage = {name: sum(e.stage_s[name] - b.stage_s[name] for b, e in pairs) / own for name in pairs[0][0].stage_s}
    replicas = sum(e.cpu_s - b.cpu_s for b, e in pairs) / own
    redis = (ended.redis_s - began.redis_s) / windows
    ingest = (ended.ingest_s - began.ingest_s) / windows
    model = float(np.mean([each.cpu_s for each in bare]))
    in_us = {
        "overhead_us_per_window": replicas - model + redis + ingest,
        "monitor_us": replicas - model,
        "redis_us": redis,
        "ingest_us": ingest,
        "model_us": model,
        "read_us": stage["read"],
        "place_us": stage["place"],
        "score_us": stage["score"],
        "model_in_run_us": stage["model"],
        "judge_us": stage["judge"],
        "commit_us": stage["commit"],
        "own_us": stage["own"],
        "rest_us": replicas - sum(stage.values()),
    }
    unexplained = 1 - sum(stage.values()) / replicas
    return Costs(**{name: seconds * 1e6 for name, seconds in in_us.items()}, unexplained_share=unexplained)
