"""`selfmis bench memory`: what a patient costs Redis in memory: frames while they are kept, and what is committed.

Real entries as the sender makes them and real commits, measured by Redis itself (``MEMORY USAGE`` of every key,
all fields counted), so that `selfmis plan` and the sizing table need not guess.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commit import facts
from benchmarks.report import json_argument, present
from services.inference.commit.facts import Retention
from services.inference.commit.link import Link
from services.inference.commit.point import POINT
from services.inference.commit.store import Outcome, ShardStore
from services.inference.ownership.lease import Leases, new_token
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.frames import HEADER, Frames, encode, frame_bytes
from shared.redis.embedded import embedded
from shared.sections import MonitorSettings
from shared.shards import BATCH_FIELD, latest_key, marks_key, state_key, stream_key, trend_key

RATES_HZ = (100, 250, 500)


def stream_bytes(link: Link, patients: int, hertz: int, seconds: int) -> float:
    """Of one frame of a second in a stream whose entries hold one frame of each patient."""
    client: Any = link.client
    client.delete(stream_key(0))
    headers = np.zeros(patients, HEADER)
    headers["version"], headers["count"], headers["rate_mhz"], headers["uv_per_lsb"] = 1, hertz, hertz * 1000, 1.0
    headers["patient"] = [f"patient-{number:06d}".encode() for number in range(patients)]
    for second in range(seconds):
        headers["first"] = second * hertz
        batch = bytes(encode(Frames(headers.copy(), np.zeros((patients, hertz), np.int16))))
        client.xadd(stream_key(0), {BATCH_FIELD: batch})
    return float(client.memory_usage(stream_key(0), samples=0)) / patients / seconds


def state_bytes(link: Link, patients: int) -> float:
    """Of one patient's mark, state and newest window, after a real commit."""
    client: Any = link.client
    store = ShardStore(link, lease_ms=60_000, retention=Retention.of(MonitorSettings()))
    holding = Leases(link, lease_ms=60_000).acquire(0, new_token("bench"), now_s=0.0)
    if holding is None or store.load(holding) is None:
        raise SelfmisError("bench memory: the shard cannot be had: is somebody else using this Redis?")
    if store.commit(holding, facts(patients, "1-1"), now_s=0.0) is not Outcome.APPLIED:
        raise SelfmisError("bench memory: the commit was refused: is somebody else using this Redis?")
    keys = (marks_key(0), state_key(0), latest_key(0))
    return sum(float(client.memory_usage(key, samples=0)) for key in keys) / patients


def trend_bytes(link: Link) -> float:
    """Of one patient's whole trend, as settings keep it by default."""
    client: Any = link.client
    key = trend_key(0, b"patient-000000")
    rng = np.random.default_rng(1)
    for _ in range(MonitorSettings().trend_points):
        client.rpush(key, rng.bytes(POINT.itemsize))
    return float(client.memory_usage(key, samples=0))


def main(argv: Sequence[str]) -> int:
    """Fill one shard of a Redis started for it and ask what each key takes."""
    parser = Parser(prog="selfmis bench memory", description=main.__doc__)
    parser.add_argument("--patients", type=int, default=1000, help="of the shard (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=30, help="of frames kept (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if arguments.patients < 1 or arguments.seconds < 1:
        raise SelfmisError("bench memory: --patients and --seconds must be at least 1")
    figures: dict[str, object] = {"patients": arguments.patients}
    with (
        tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder,
        embedded(Path(folder), port=0, maxmemory_mb=2048) as redis,
    ):
        link = Link(redis.url, timeout_s=10.0)
        try:
            for hertz in RATES_HZ:
                kept = stream_bytes(link, arguments.patients, hertz, arguments.seconds)
                figures |= {
                    f"sent_bytes_per_frame_{hertz}hz": frame_bytes(hertz),
                    f"kept_bytes_per_frame_{hertz}hz": kept,
                    f"kept_mb_per_patient_hour_{hertz}hz": kept * 3600 / 1e6,
                }
            figures["state_bytes_per_patient"] = state_bytes(link, arguments.patients)
            figures["trend_bytes_per_patient"] = trend_bytes(link)
        finally:
            link.close()
    present("Redis memory; a frame is one second of one patient", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
