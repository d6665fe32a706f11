"""`selfmis bench ingest`: how many patients one ingest process streams, at what cost and how late.

The process under test is `selfmis ingest run` itself, on a scenario of one crowd; Redis is a
real server with its append-only file on, and a real consumer in another process reads all of
it, keeps the position record and so lets the streams be trimmed.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.consumer import Consumer
from benchmarks.report import json_argument, present
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.ports import free_port
from shared.redis.connection import Client, connect, server_info
from shared.redis.embedded import embedded

# What the ingest process and the consumer agree on, whatever the settings of this shell say.
SHARDS = 64


def consume(url: str, shards: int, stop: Event) -> None:
    """Read everything until told to stop: the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with connect(url) as client:
        consumer = Consumer(client, shards)
        while not stop.is_set():
            if not consumer.step(marks=False, block_ms=200):
                time.sleep(0.05)


def confirmed(port: int) -> float:
    """Frames that the ingest process says Redis has confirmed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        text = reply.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "selfmis_ingest_frames_total" and sample.labels == {"outcome": "confirmed"}:
                return float(sample.value)
    raise SelfmisError("the ingest process' metrics know nothing of confirmed frames")


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time a process has used, its children excluded."""
    times = process.cpu_times()
    return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class Reading:
    """The process under test and its Redis at one moment; sizes in bytes."""

    at: float
    cpu_s: float
    frames: float
    rss: int
    redis_memory: int


def read(process: psutil.Process, port: int, client: Client) -> Reading | None:
    """A reading now; None once the process has stopped streaming: its metrics end with the run."""
    try:
        frames, at = confirmed(port), time.monotonic()
        return Reading(
            at, cpu_seconds(process), frames, process.memory_info().rss, server_info(client).used_memory
        )
    except (OSError, HTTPException, psutil.Error):
        return None


def scenario(patients: int, rate_hz: float) -> str:
    """One crowd at one rate, one frame a second each."""
    return json.dumps({"name": "load", "frame_s": 1.0, "rates_hz": [rate_hz], "patients": [{"crowd": patients}]})


def main(argv: Sequence[str]) -> int:
    """Stream a crowd at one frame a second each from one process; print its processor time and lateness."""
    parser = Parser(prog="selfmis bench ingest", description=main.__doc__)
    parser.add_argument("--patients", type=int, default=50_000, help="default %(default)s")
    parser.add_argument("--rate", type=float, default=100.0, help="samples a second of each (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to stream (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.patients < 1 or arguments.seconds < 10:
        raise SelfmisError("bench ingest: at least one patient and ten seconds are needed")
    with tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder:
        figures = measure(Path(folder), arguments.patients, arguments.rate, arguments.seconds)
    present("one ingest process, Redis and a consumer beside it", figures, arguments.json)
    return 0


def measure(folder: Path, patients: int, rate_hz: float, seconds: float) -> dict[str, object]:
    """One run; all figures but lateness exclude the start-up and the first three seconds."""
    (folder / "load.yaml").write_text(scenario(patients, rate_hz), encoding="utf-8")
    metrics_port = free_port()
    with embedded(folder / "redis", port=0, maxmemory_mb=4096) as redis:
        context = get_context("spawn")
        stop = context.Event()
        consumer = context.Process(target=consume, args=(redis.url, SHARDS, stop), daemon=True)
        consumer.start()
        command = [sys.executable, "-m", "selfmis", "ingest", "run", str(folder / "load.yaml")]
        command += ["--duration", str(seconds), "--json", str(folder / "summary.json")]
        command += ["--set", f"redis.url={redis.url}", "--set", f"ingest.metrics_port={metrics_port}"]
        command += ["--set", "stream.replay_horizon_s=5", "--set", f"stream.shards={SHARDS}"]
        ingest = subprocess.Popen(command)
        try:
            process = psutil.Process(ingest.pid)
            wait_for_frames(ingest, metrics_port)
            time.sleep(3)
            readings = []
            with connect(redis.url) as client:
                while (reading := read(process, metrics_port, client)) is not None:
                    readings.append(reading)
                    time.sleep(1)
            ingest.wait(timeout=120)
        finally:
            ingest.kill()
            ingest.wait()
            stop.set()
            consumer.join(10)
            consumer.kill()
    if ingest.returncode:
        raise SelfmisError(f"bench ingest: the ingest process ended with {ingest.returncode}; its words are above")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    if len(readings) < 3:
        raise SelfmisError("bench ingest: the run ended before it could be measured; give it more --seconds")
    began, ended = readings[0], readings[-1]
    took, frames, cpu = ended.at - began.at, ended.frames - began.frames, ended.cpu_s - began.cpu_s
    return {
        "patients": patients,
        "samples_per_frame": round(rate_hz),
        "seconds": round(took, 1),
        "frames_per_s": frames / took,
        "cpu_cores": cpu / took,
        "cpu_us_per_frame": cpu / frames * 1e6,
        "p50_lateness_s": summary["lateness_p50_s"],
        "p99_lateness_s": summary["lateness_p99_s"],
        "frames_dropped": summary["frames_dropped"],
        "rss_mb": ended.rss / 1e6,
        "redis_memory_mb": max(reading.redis_memory for reading in readings) / 1e6,
    }


def wait_for_frames(ingest: "subprocess.Popen[bytes]", metrics_port: int) -> None:
    """Until the process has sent its first frames; it first simulates the beats that it streams."""
    deadline = time.monotonic() + 120
    while ingest.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            if confirmed(metrics_port) > 0:
                return
        time.sleep(0.1)
    raise SelfmisError("bench ingest: the ingest process did not begin to stream; its words are above")


if __name__ == "__main__":
    raise SystemExit(run(main))
