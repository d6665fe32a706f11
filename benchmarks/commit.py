"""`selfmis bench commit`: what one commit of one shard costs, by the number of patients it updates.

A real Redis with its append-only file on; each update writes a mark, a state and what views show, every sixth a
point of a trend (`monitor.trend_every_s` over `window.stride_s`), and each commit a few counters. The server's own
share is what it reports itself (`INFO commandstats`).
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import json_argument, present
from services.inference.commit.facts import Facts, Kind, Retention
from services.inference.commit.ids import after
from services.inference.commit.link import Link
from services.inference.commit.point import POINT
from services.inference.commit.store import Outcome, ShardStore
from services.inference.ownership.lease import Leases, new_token
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.position import PatientMark
from shared.redis.embedded import embedded
from shared.sections import MonitorSettings

STATE_BYTES, LATEST_BYTES = 120, 80
TREND_EVERY = 6


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one commit, in microseconds: the whole round trip, our own processor time, and the server's share."""

    whole_us: float
    client_us: float
    server_us: float


def facts(patients: int, offset: str) -> Facts:
    """What a step in which one window of each of some patients closed leads to."""
    names = [f"patient-{number:06d}".encode() for number in range(patients)]
    mark = PatientMark(7, 1_700_000_000_000_000, 250_000, 11, 13_750, 16_250).pack()
    return Facts(
        offset,
        offset,
        "0-0",
        {
            Kind.MARK: dict.fromkeys(names, mark),
            Kind.STATE: dict.fromkeys(names, bytes(STATE_BYTES)),
            Kind.LATEST: dict.fromkeys(names, bytes(LATEST_BYTES)),
        },
        {"frames": 10 * patients, "entries": 3} | {f"score_le_{bucket}": patients for bucket in range(10)},
        trend=dict.fromkeys(names[::TREND_EVERY], bytes(POINT.itemsize)),
    )


def measure(link: Link, patients: int, seconds: float, repeats: int = 5) -> Cost:
    """The best of some stretches that share ``seconds``: the rest measures neighbours."""
    store = ShardStore(link, lease_ms=60_000, retention=Retention.of(MonitorSettings()))
    link.client.flushall()
    holding = Leases(link, lease_ms=60_000).acquire(0, new_token("bench"), now_s=0.0)
    if holding is None or store.load(holding) is None:
        raise SelfmisError("bench commit: the shard cannot be had: is somebody else using this Redis?")
    best, offset = Cost(*[float("inf")] * 3), "1-0"
    for _ in range(repeats):
        link.client.config_resetstat()
        done, start, cpu = 0, time.perf_counter(), time.process_time()
        while (elapsed := time.perf_counter() - start) < seconds / repeats:
            offset = after(offset)
            if store.commit(holding, facts(patients, offset), now_s=0.0) is not Outcome.APPLIED:
                raise SelfmisError("bench commit: a commit was refused: is somebody else using this Redis?")
            done += 1
        client_us = (time.process_time() - cpu) / done * 1e6
        server_us = float(link.client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"])
        best = Cost(
            min(best.whole_us, elapsed / done * 1e6),
            min(best.client_us, client_us),
            min(best.server_us, server_us),
        )
    return best


def main(argv: Sequence[str]) -> int:
    """Commit steps of different size to a Redis started for it, and print what a commit costs."""
    parser = Parser(prog="selfmis bench commit", description=main.__doc__)
    parser.add_argument(
        "--patients", type=int, nargs="+", default=[1, 10, 100, 300, 1000], help="updated in one commit"
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="how long to measure each (default %(default)s)"
    )
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if min(arguments.patients) < 1 or not arguments.seconds > 0:
        raise SelfmisError("bench commit: --patients and --seconds must be above zero")
    figures: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory(prefix="selfmis-bench-") as folder,
        embedded(Path(folder), port=0, maxmemory_mb=512) as redis,
    ):
        link = Link(redis.url, timeout_s=10.0)
        for patients in arguments.patients:
            cost = measure(link, patients, arguments.seconds)
            figures |= {
                f"commits_per_s_{patients}": 1e6 / cost.whole_us,
                f"us_per_commit_{patients}": cost.whole_us,
                f"client_cpu_us_per_commit_{patients}": cost.client_us,
                f"server_us_per_commit_{patients}": cost.server_us,
            }
        link.close()
    present("commits of one shard, one after the other; figures by patients updated", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
