"""`selfmis bench served`: a load on the product as it runs: Ray Serve's replicas, its API, its own processes.

`selfmis bench capacity` runs the pull loop in plain processes, where its stages can be told apart. This one starts
what `make demo` starts (Redis, Ray, Serve with Monitor replicas and the API, `selfmis ingest run`) under a crowd,
and sorts processor time by who spent it: what Ray costs beside the replicas stands alone.
"""

import functools
import json
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.ingest import cpu_seconds
from benchmarks.load import start_ingest, windows_committed
from benchmarks.replica import bare
from benchmarks.report import json_argument, present
from benchmarks.waiting import until
from services.inference.api import reading
from services.inference.engine import open_engine
from services.inference.monitor.pulse import LATENCY_EDGES_S, Histogram, pulses
from shared.artefact import load, shipped
from shared.command import Parser, run, settings_arguments, settings_from
from shared.errors import SelfmisError
from shared.ports import free_port
from shared.redis.connection import Client, connect
from shared.redis.embedded import embedded
from shared.settings import Settings

_ENOUGH = 0.97
_BARE_S = 3.0
_PATIENCE_S = 120.0
_until = functools.partial(until, who="served", seconds=_PATIENCE_S)
_PULSE_S = 2.0  # a replica tells of itself once a second
MONITOR, API, RAY = "Monitor", "Api", "ray"


@dataclass(frozen=True, slots=True)
class Served:
    """One level. Microseconds are processor time a window; latencies are upper edges of the replicas' histogram.

    ``ray_us``: raylet, GCS, Serve's controller and proxy, agents: everything of Ray's that is no replica of ours.
    """

    patients: int
    held: bool
    seconds: float
    windows_per_s: float
    p50_latency_s: float | None
    p99_latency_s: float | None
    frames_dropped: int
    cores_used: float
    replicas_us: float
    model_us: float
    api_us: float
    ray_us: float
    redis_us: float
    ingest_us: float
    overhead_us_per_window: float
    ray_rss_mb: float


def main(argv: Sequence[str]) -> int:
    """Put a crowd on Ray Serve as the product runs it; what its processes cost a window, Ray's own apart."""
    parser = Parser(prog="selfmis bench served", description=main.__doc__)
    parser.add_argument("--patients", type=int, default=20_000, help="(default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured time (default %(default)s)")
    parser.add_argument("--limit", type=float, default=1.0, help="p99 latency allowed, s (default %(default)s)")
    parser.add_argument("--replicas", type=int, default=0, help="default: the cores over engine.threads")
    parser.add_argument("--model", type=Path, metavar="DIR", help="model folder; default: the shipped one")
    settings_arguments(parser)
    json_argument(parser)
    arguments = parser.parse_args(argv)
    settings = settings_from(arguments)
    if arguments.patients < 1 or arguments.seconds < 5 or arguments.limit <= 0 or arguments.replicas < 0:
        raise SelfmisError("bench served: at least a patient, 5 seconds, a limit above 0 and no negative replicas")
    model = load(arguments.model or shipped(settings.window.lead)).folder
    replicas = arguments.replicas or max(1, len(os.sched_getaffinity(0)) // settings.engine.threads)
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        found = measure(
            settings,
            model,
            Path(folder),
            arguments.patients,
            replicas=replicas,
            seconds=arguments.seconds,
            limit_s=arguments.limit,
        )
    present("patients on Ray Serve", {"model": model.name, "replicas": replicas, **asdict(found)}, arguments.json)
    return 0


def measure(
    settings: Settings, model: Path, folder: Path, patients: int, *, replicas: int, seconds: float, limit_s: float
) -> Served:
    """Start everything on an empty Redis, wait until windows flow, measure, stop everything."""
    from deploy.app import Arguments  # noqa: PLC0415 - Ray takes a second to import
    from deploy.local import local_serve  # noqa: PLC0415 - Ray takes a second to import

    shards = settings.stream.shards
    asked = Arguments(model=str(model.resolve()), settings=settings.model_dump(mode="json", exclude_defaults=True))
    with ExitStack() as stack:
        redis = stack.enter_context(embedded(folder / "redis", port=0, maxmemory_mb=4096))
        client = stack.enter_context(connect(redis.url))
        environ = {"SELFMIS_REDIS_URL": redis.url}
        serving = local_serve(asked, replicas=replicas, host="127.0.0.1", port=free_port(), environ=environ)
        stack.enter_context(serving)
        _until(lambda: reading.standing(client, shards).owned == shards, "the replicas own all shards")
        ingest = start_ingest(folder, redis.url, patients, settings, stack)
        _until(lambda: windows_committed(client, shards) > 0 or ingest.poll() is not None, "windows are committed")
        time.sleep(settings.window.stride_s + _PULSE_S)  # the first windows of all, see load
        others = {redis.pid: "redis", ingest.pid: "ingest"}
        latency, windows, began_s = _latency(client), windows_committed(client, shards), time.monotonic()
        spent = _spent(others)
        time.sleep(seconds)
        ended = _spent(others)
        took_s = time.monotonic() - began_s
        windows = windows_committed(client, shards) - windows
        rss_mb = _ray_rss_mb(others)
        time.sleep(_PULSE_S)
        latency = _gained(latency, _latency(client))
        ingest.send_signal(signal.SIGINT)
        ingest.wait(60)
    if not windows:
        raise SelfmisError("bench served: no window was committed while it was measured: ask for fewer patients")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    us = {who: (ended[who] - spent[who]) / windows * 1e6 for who in ended}
    model_us = bare(open_engine(load(model), settings.engine), 1024, _BARE_S).cpu_s * 1e6
    p99 = latency.quantile(0.99)
    due = patients / settings.window.stride_s
    whole = sum(us.values())
    return Served(
        patients=patients,
        held=p99 is not None
        and p99 <= limit_s
        and windows / took_s >= _ENOUGH * due
        and not summary["frames_dropped"],
        seconds=round(took_s, 1),
        windows_per_s=windows / took_s,
        p50_latency_s=latency.quantile(0.5),
        p99_latency_s=p99,
        frames_dropped=int(summary["frames_dropped"]),
        cores_used=whole * windows / took_s / 1e6,
        replicas_us=us[MONITOR] - model_us,
        model_us=model_us,
        api_us=us[API],
        ray_us=us[RAY],
        redis_us=us["redis"],
        ingest_us=us["ingest"],
        overhead_us_per_window=whole - model_us,
        ray_rss_mb=rss_mb,
    )


def kind(title: str) -> str:
    """Whose a process of Ray's is, by its title: a replica of one of our deployments, or Ray's own."""
    for deployment in (MONITOR, API):
        if "ServeReplica" in title and f":{deployment}" in title:
            return deployment
    return RAY


def _spent(others: dict[int, str]) -> dict[str, float]:
    """Processor seconds of all processes below this one, by whose they are. This one only waits."""
    total = {who: cpu_seconds(psutil.Process(pid)) for pid, who in others.items()}
    total |= dict.fromkeys((MONITOR, API, RAY), 0.0)
    for process in _of_ray(others):
        with suppress(psutil.Error):  # just gone
            total[kind(" ".join(process.cmdline()))] += cpu_seconds(process)
    return total


def _of_ray(others: dict[int, str]) -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if each.pid not in others]


def _ray_rss_mb(others: dict[int, str]) -> float:
    total = 0
    for process in _of_ray(others):
        with suppress(psutil.Error):  # just gone
            if kind(" ".join(process.cmdline())) == RAY:
                total += process.memory_info().rss
    return total / 1e6


def _latency(client: Client) -> Histogram:
    """Of all live replicas since their start."""
    total = Histogram(LATENCY_EDGES_S)
    for _, told in pulses(client):
        total.counts += told["latency_s"]["counts"]
    return total


def _gained(before: Histogram, after: Histogram) -> Histogram:
    gained = Histogram(LATENCY_EDGES_S)
    gained.counts = after.counts - before.counts
    return gained


if __name__ == "__main__":
    raise SystemExit(run(main))
