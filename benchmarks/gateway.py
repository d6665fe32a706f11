"""`selfmis bench gateway`: how many requests and frames a second one gateway confirms."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.codec import ward
from benchmarks.report import json_argument, present
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.frames import encode
from shared.redis.embedded import embedded

SAMPLES = 250
FRAMES_IN_BATCH = 100
REPEATS = 3


def json_body() -> bytes:
    """One frame of 250 samples in millivolts, as a device writes it."""
    frames = ward(1, SAMPLES)
    frame = {
        "patient": "device",
        "session": 1,
        "session_start": "2026-01-01T00:00:00Z",
        "first": 0,
        "rate_hz": 250,
        "lead": "I",
        "mv": [round(float(value), 3) for value in frames.millivolts()[0]],
    }
    return json.dumps(frame).encode()


def request(path: str, kind: str, body: bytes) -> bytes:
    """The bytes of one POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def gateway_process(redis_url: str) -> Iterator[tuple[int, int]]:
    """A real gateway as a process of its own; gives its port and pid."""
    command = [sys.executable, "-m", "services.ingest.gateway.command", "--host", "127.0.0.1", "--port", "0"]
    command += ["--set", f"redis.url={redis_url}", "--set", "gateway.max_samples_per_s=1e9"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = process.stdout.readline()
        if not line:
            raise SelfmisError("bench gateway: the gateway did not start; it said why above")
        yield int(line.split()[1].rpartition(":")[2]), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


async def requests_in(port: int, message: bytes, connections: int, seconds: float) -> tuple[int, list[float]]:
    """Requests confirmed in a stretch over some connections, each waiting for its answers; and their seconds."""
    deadline = time.perf_counter() + seconds
    taken: list[float] = []

    async def device() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (begun := time.perf_counter()) < deadline:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200"):
                raise SelfmisError(f"bench gateway: refused: {body.decode()}")
            taken.append(time.perf_counter() - begun)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(device() for _ in range(connections)))
    return len(taken), sorted(taken)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(port: int, pid: int, message: bytes, connections: int, seconds: float) -> dict[str, float]:
    """The best of some stretches: the rest measures what else this machine does."""
    best: dict[str, float] = {"requests_per_s": 0.0}
    for _ in range(REPEATS):
        cpu, begun = cpu_seconds(pid), time.perf_counter()
        count, taken = asyncio.run(requests_in(port, message, connections, seconds / REPEATS))
        elapsed = time.perf_counter() - begun
        if count / elapsed > best["requests_per_s"]:
            best = {
                "requests_per_s": count / elapsed,
                "median_s": taken[len(taken) // 2],
                "p99_s": taken[int(len(taken) * 0.99)],
                "cpu_cores": (cpu_seconds(pid) - cpu) / elapsed,
            }
    return best


def main(argv: Sequence[str]) -> int:
    """Send JSON (1 frame of 250 samples) and record batches (100 such frames) to one gateway on a fresh Redis."""
    parser = Parser(prog="selfmis bench gateway", description=main.__doc__)
    parser.add_argument("--connections", type=int, default=16, help="connections at once (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long to measure (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.connections < 1 or not arguments.seconds > 0:
        raise SelfmisError("bench gateway: --connections and --seconds must be above zero")
    one = request("/v1/frames", "application/json", json_body())
    hundred = request("/v1/batch", "application/octet-stream", encode(ward(FRAMES_IN_BATCH, SAMPLES)))
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded(Path(folder), port=0, maxmemory_mb=4096) as server,
        gateway_process(server.url) as (port, pid),
    ):
        singles = measure(port, pid, one, arguments.connections, arguments.seconds / 2)
        batches = measure(port, pid, hundred, arguments.connections, arguments.seconds / 2)
    figures: dict[str, object] = {f"json_{name}": value for name, value in singles.items()}
    figures |= {f"batch_{name}": value for name, value in batches.items()}
    figures |= {
        "batch_frames_per_s": batches["requests_per_s"] * FRAMES_IN_BATCH,
        "connections": arguments.connections,
        "samples_per_frame": SAMPLES,
        "frames_per_batch": FRAMES_IN_BATCH,
    }
    present("gateway: one process, answers after Redis has confirmed", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
