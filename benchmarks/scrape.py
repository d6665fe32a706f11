"""`selfmis bench scrape`: what one scrape of /metrics costs, by shards and patients.

A real Redis, filled as a ward fills it: counters in every shard; a state, a mark and a newest window of every
patient, one of a hundred in alarm. Without HTTP, which costs the same for any answer of that size.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import json_argument, present
from services.inference.alarms.commands import Outcome
from services.inference.alarms.terms import Transition
from services.inference.metrics import families, snapshot
from services.inference.metrics.collector import written
from services.inference.monitor import speed
from services.inference.monitor.pulse import Pulse, tell
from shared.command import DONE, Parser, run
from shared.labels import SCORE_NAMES
from shared.quality import REASONS
from shared.redis.connection import Client, connect
from shared.redis.embedded import embedded
from shared.score_histogram import SCORE_EDGES
from shared.shards import REPLICAS_KEY, counters_key, latest_key, lease_key, marks_key, shard_of, state_key

PRIORITIES = ("low", "medium", "high")


def main(argv: Sequence[str]) -> int:
    """What one scrape of /metrics costs: the best of some, all in one process over one connection."""
    parser = Parser(prog="selfmis bench scrape", description=main.__doc__)
    parser.add_argument("--shards", type=int, default=64, help="(default %(default)s)")
    parser.add_argument("--patients", type=int, default=20_000, help="(default %(default)s)")
    parser.add_argument("--repeats", type=int, default=30, help="scrapes (default %(default)s)")
    json_argument(parser)
    chosen = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded(Path(folder), port=0, maxmemory_mb=1024) as server,
        connect(server.url) as client,
    ):
        fill(client, chosen.shards, chosen.patients)
        whole, own = [], []
        size = 0
        for _ in range(chosen.repeats):
            begun, cpu = time.perf_counter(), time.process_time()
            size = len(written(list(families.families(snapshot.look(client, chosen.shards)))))
            whole.append(time.perf_counter() - begun)
            own.append(time.process_time() - cpu)
    figures = {
        "shards": chosen.shards,
        "patients": chosen.patients,
        "scrape_ms": min(whole) * 1e3,
        "scrape_cpu_ms": min(own) * 1e3,
        "bytes": size,
    }
    present("One scrape of /metrics", figures, chosen.json)
    return DONE


def fill(client: Client, shards: int, patients: int) -> None:
    """A ward's facts, with every counter that a shard can have."""
    counters = {f"windows|{outcome}": 1000 for outcome in ("scored", "rejected", "missing")}
    counters |= {f"rejects|{reason.label}": 10 for reason in REASONS}
    counters |= {f"score|{edge:.2f}": 50 for edge in SCORE_EDGES}
    counters |= {f"commands|{outcome.value}": 5 for outcome in Outcome}
    counters |= {
        f"alerts|mi|{type_}|{priority}|{transition.value}": 3
        for type_ in SCORE_NAMES
        for priority in PRIORITIES
        for transition in Transition
    }
    counters |= {f"active|mi|{type_}|{priority}|raised": 1 for type_ in SCORE_NAMES for priority in PRIORITIES} | {
        "patients|admitted": patients // shards
    }
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.hset(counters_key(shard), mapping=counters)  # type: ignore[arg-type]  # redis-py wants str keys alone
        pipe.set(lease_key(shard), "bench:0")
    for number in range(patients):
        name = f"patient-{number:06d}".encode()
        shard = shard_of(name, shards)
        pipe.hset(state_key(shard), name, bytes(176 if number % 100 == 0 else 120))
        pipe.hset(marks_key(shard), name, bytes(48))
        pipe.hset(latest_key(shard), name, bytes(80))
    pipe.execute()
    pulse = Pulse()
    for value in (0.01, 0.2, 1.0):
        pulse.latency.count(value)
        for histogram in pulse.took.values():
            histogram.count(value)
    speed.add(client, speed.Account().gained(pulse))
    client.zadd(REPLICAS_KEY, {"bench": time.time() * 1000 + 60_000})
    tell(client, "bench", pulse)


if __name__ == "__main__":
    raise SystemExit(run(main))
