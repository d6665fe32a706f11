"""What a crash cost: results against those of the same log read once, without a crash."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.faults.expected import Committed, expected
from benchmarks.faults.run import read
from benchmarks.faults.verdict import judge
from benchmarks.peers.job import Read
from services.inference.alarms import AlarmWard
from services.inference.commit.reader import Entry, Pulled
from services.inference.engine import Engine, score
from services.inference.monitor.decoding import decoded
from services.inference.monitor.saying import evidence
from services.inference.monitor.shard import ShardRules
from services.inference.windows import Cutter
from shared.redis.connection import Client
from shared.settings import Settings
from shared.shards import BATCH_FIELD, stream_key


@dataclass(frozen=True, slots=True)
class Toll:
    """Windows and alerts together. ``due``: windows there must be; ``strange``: results nobody should have."""

    due: int
    lost: int
    doubled: int
    strange: int


def log_of(client: Client, shards: int) -> list[tuple[int, Entry]]:
    """Shard and entry of everything in the streams."""
    found = []
    for shard in range(shards):
        rows: Any = client.xrange(stream_key(shard))
        found += [(shard, Entry(i.decode(), fields.get(BATCH_FIELD), counted=True)) for i, fields in rows]
    return found


def toll(found: Iterable[Hashable], wanted: Iterable[Hashable]) -> tuple[int, int, int]:
    """(lost, doubled, strange): each wanted thing must be found exactly once, and nothing else."""
    have, want = Counter(found), set(wanted)
    lost = sum(1 for each in want if each not in have)
    doubled = sum(amount - 1 for each, amount in have.items() if each in want)
    return lost, doubled, sum(amount for each, amount in have.items() if each not in want)


def truth(client: Client, settings: Settings, engine: Engine) -> tuple[list[tuple[bytes, int, int]], list[str]]:
    """(patient, session, window) of all windows of the log, and its alerts' ids: all read in one step."""
    rules = ShardRules.of(settings)
    windows: list[tuple[bytes, int, int]] = []
    alerts: list[str] = []
    for shard in range(settings.stream.shards):
        rows: Any = client.xrange(stream_key(shard))
        entries = tuple(Entry(i.decode(), f.get(BATCH_FIELD), counted=True) for i, f in rows)
        (each,) = decoded([Pulled(shard, entries, ())], rules.most_bytes)
        cut = Cutter(rules.windows).step(each.entries).cut
        (scored,) = score([cut], engine, max_missing=settings.window.max_missing)
        said = AlarmWard(rules.alarms).apply(evidence(cut.windows, scored), engine.version)
        windows += [(bytes(row["patient"]), int(row["session"]), int(row["window"])) for row in cut.windows]
        alerts += [alert.id for alert in said]
    return windows, alerts


def of_peer(client: Client, settings: Settings, engine: Engine) -> Toll:
    """What a peer's stream of results lacks, and has twice."""
    windows, alerts = truth(client, settings, engine)
    result = Read.of(client)
    have = [(bytes(row["patient"]), int(row["session"]), int(row["window"])) for row in result.rows]
    by_windows, by_alerts = toll(have, windows), toll(result.alerts, alerts)
    lost, doubled, strange = (a + b for a, b in zip(by_windows, by_alerts, strict=True))
    return Toll(len(windows), lost, doubled, strange)


def of_ours(client: Client, settings: Settings, engine: Engine) -> Toll:
    """The same of the monitor, which commits marks, counters and alerts: `benchmarks.faults` has the rules."""
    shards = settings.stream.shards
    wanted: list[Committed] = expected(log_of(client, shards), settings, engine)
    found = [read(client, shard) for shard in range(shards)]
    verdict = judge(found, wanted)
    due = sum(n for each in wanted for name, n in each.counters.items() if name.startswith("windows|"))
    return Toll(due, verdict.lost, verdict.doubled, verdict.changed)
