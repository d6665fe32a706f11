"""What must be committed: the same samples once more, made by the scenario, fed to fresh memories, no faults.

Nothing of it has seen Redis: the source makes the frames again, the simulated devices' network treats them as it
did then (its dice depend on seed and frame alone), and one memory a shard takes them in order. So what was lost
*before* the log, or with the log, shows as well as what was lost after it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from services.inference.commit.facts import Facts, Kind
from services.inference.commit.point import POINT
from services.inference.commit.reader import Entry, Pulled
from services.inference.engine import Engine, score
from services.inference.monitor.decoding import decoded
from services.inference.monitor.elapsed import Elapsed
from services.inference.monitor.offline import NOTHING_COMMITTED
from services.inference.monitor.shard import Shard, ShardRules
from services.ingest.faults import Network
from services.ingest.feed import Feed
from services.ingest.parcel import Parcel
from services.ingest.runs import Run
from services.ingest.scenario import parse
from services.ingest.schedule import Schedule
from services.ingest.streaming import slots
from services.ingest.ward import ward_of
from shared.settings import Settings


@dataclass(slots=True)
class Committed:
    """What is committed of one shard, or should be. ``alerts``: id and body, in order of their coming.

    ``trend``: points by patient, one after the other.
    """

    counters: Counter[str] = field(default_factory=Counter)
    alerts: list[tuple[str, bytes]] = field(default_factory=list)
    trend: dict[bytes, bytes] = field(default_factory=dict)
    patients: dict[Kind, dict[bytes, bytes]] = field(default_factory=lambda: {kind: {} for kind in Kind})

    def add(self, facts: Facts) -> None:
        """What one more step leads to."""
        self.counters.update(facts.counters)
        self.alerts += [(alert.id, alert.body) for alert in facts.alerts]
        for name, points in facts.trend.items():
            self.trend[name] = self.trend.get(name, b"") + points
        for kind, values in facts.patients.items():
            for name, value in values.items():
                if value is None:
                    self.patients[kind].pop(name, None)
                else:
                    self.patients[kind][name] = value


def entries(
    text: str, run: Run, seconds: float, settings: Settings, only: Sequence[int] | None = None
) -> Iterator[tuple[int, Entry]]:
    """Shard and entry, in the order in which they fall due, of a whole run of a scenario.

    ``only``: of these shards, which costs less than half.
    """
    scenario = parse(text, "faults")
    sources = ward_of(scenario, Path()).sources
    shards = settings.stream.shards
    starts = slots(run, sources, scenario.begin_over_s)
    feeds = [Feed(source, slot, shards) for source, slot in zip(sources, starts, strict=True)]
    schedule = Schedule(feeds, [0] * len(feeds), run.origin_us + seconds * 1e6)
    network = Network(scenario.network.faults(), scenario.seed)
    number = 0
    while schedule:
        due = schedule.pop()
        feed = feeds[due.feed]
        if due.parcel is not None:
            parcels = [due.parcel]
        else:
            parcels = []
            taken_s = (due.at_us - feed.slot.start_us) / 1e6
            for delay_s, parcel in network.carry(feed.parcel(due.index), due.feed, due.index, taken_s):
                if delay_s:
                    schedule.delay(due, parcel, delay_s)
                else:
                    parcels.append(parcel)
        for parcel in parcels if only is None else _of(only, parcels):
            for shard, data, _ in parcel.encoded(settings.stream.max_entry_bytes):
                number += 1
                yield shard, Entry(f"{math.ceil(due.at_us / 1000)}-{number}", data, counted=True)


def _of(shards: Sequence[int], parcels: Iterable[Parcel]) -> Iterator[Parcel]:
    """What of these parcels is of these shards."""
    for parcel in parcels:
        rows = np.isin(parcel.shards, shards)
        if rows.any():
            yield parcel.pick(rows)


def expected(
    log: Iterable[tuple[int, Entry]],
    settings: Settings,
    engine: Engine,
    elapsed: Sequence[Sequence[Elapsed]] = (),
    only: Sequence[int] | None = None,
) -> list[Committed]:
    """What must be committed of each shard (of these ``only``) when these entries have come, each once.

    ``elapsed``: of each of them, when alarms escalated by the clock while a stream was lost; no samples tell that.
    Holds all samples of the log, and the windows of one shard at a time.
    """
    rules, missing = ShardRules.of(settings), settings.window.max_missing
    shards = range(settings.stream.shards) if only is None else only
    waiting: dict[int, list[Entry]] = {shard: [] for shard in shards}
    for shard, entry in log:
        if shard in waiting:
            waiting[shard].append(entry)
    found = []
    for number, (shard, come) in enumerate(waiting.items()):
        memory = Shard(shard, rules, NOTHING_COMMITTED)
        (read,) = decoded([Pulled(shard, tuple(come), ())], rules.most_bytes)
        placed = memory.place(read)
        (scored,) = score([placed.step.cut], engine, max_missing=missing)
        passed = elapsed[number] if elapsed else ()
        found.append(Committed())
        found[-1].add(memory.conclude(placed, scored, engine.version, elapsed=passed))
        kept = settings.monitor.trend_points * POINT.itemsize
        found[-1].trend = {name: points[-kept:] for name, points in found[-1].trend.items()}
        come.clear()
    return found
