"""A long run without faults: does the memory of any process grow? Slopes with their confidence, by process."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from benchmarks.faults.house import House
from benchmarks.faults.run import Story, drain, owned, read_all
from shared.redis.connection import Client, connect
from shared.shards import alerts_key, latest_key, trend_key

EVERY_S = 1.0
# What is kept by design must be full before anything is measured, so little of it is kept: trends of two minutes,
# two alerts of a shard. No MI alarms, which few patients of a crowd have and then keep: the alerts are
# those about poor signals, which come and go. Nothing goes wrong, so leases and silence are as users have them.
FULL = (
    "alarm.off=0.9990",
    "alarm.low=0.9995",
    "alarm.medium=0.9997",
    "alarm.high=0.9999",
    "alarm.stream_lost_s=15",
    "alarm.gather_s=3",
    "monitor.lease_s=5",
    "monitor.heartbeat_s=1",
    "monitor.trend_points=4",
    "monitor.alerts_max=2",
    "redis.timeout_s=5",
)
# Memory grows while everything begins; what is left out at least, as a share of the run.
WARM_UP = 0.3
# So much of what is bounded must be full before this share of the run is over. A patient whose signal is poor for
# a while has no trend meanwhile, and in a shard of few patients perhaps nobody's is.
ENOUGH, LATEST = 0.9, 0.6
FULL_EVERY_S = 5.0
_LOOKED_AT = 20  # patients of each shard
# Neighbouring looks are alike, so means over so many blocks are what the line is fitted to.
BLOCKS = 12
CONFIDENCE = 0.99  # of each process: of several, one that is flat is rarely taken for one that grows
# So many are made again and scored in a minute or two; of more, only those of some shards.
COMPARED_WINDOWS = 300_000
_SAY_EVERY_S = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Slope:
    """Megabytes an hour, with the bounds between which it lies by `CONFIDENCE`. ``mb``: the size at the end."""

    mb: float
    mb_per_h: float
    low: float
    high: float

    @property
    def flat(self) -> bool:
        """Whether no growth is within the noise."""
        return self.low <= 0

    def figures(self) -> dict[str, float | bool]:
        """For programs."""
        return {
            "mb": round(self.mb, 1),
            "mb_per_h": round(self.mb_per_h, 2),
            "low": round(self.low, 2),
            "high": round(self.high, 2),
            "flat": self.flat,
        }


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of it. ``full_after_s``: when all that is kept by design was full; None: too late to measure."""

    slopes: dict[str, Slope]
    full_after_s: float | None

    @property
    def growing(self) -> list[str]:
        """The services that take more and more memory."""
        return [name for name, each in self.slopes.items() if not each.flat]

    @property
    def good(self) -> bool:
        """Whether it was measured that nothing grows."""
        return self.full_after_s is not None and not self.growing

    def figures(self) -> dict[str, object]:
        """For people and programs."""
        return {
            "full_after_s": None if self.full_after_s is None else round(self.full_after_s, 1),
            "growing": self.growing,
            "memory": {name: each.figures() for name, each in self.slopes.items()},
        }


@dataclass(slots=True)
class Memory:
    """Looks at the resident size of processes, by service. ``full_s``: when they were as full as they get."""

    looks: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    full_s: float | None = None

    def look(self, house: House) -> None:
        """One look at all of them."""
        now = time.monotonic()
        for service in house.services:
            size = sum(_resident(process) for process in service.processes())
            if size:
                self.looks[service.name].append((now, size / 1e6))

    def soaked(self, began_s: float) -> Soaked:
        """Of each service, after the warm-up; `full_s` after `LATEST` of the run is too late to tell."""
        ended_s = max((looks[-1][0] for looks in self.looks.values()), default=began_s)
        full_s = self.full_s
        if full_s is not None and full_s > began_s + LATEST * (ended_s - began_s):
            full_s = None
        slopes = {name: slope(looks, full_s or 0.0) for name, looks in sorted(self.looks.items())}
        return Soaked(slopes, None if full_s is None else full_s - began_s)


def filled(client: Client, shards: int, *, trend_points: int, alerts_max: int) -> float:
    """The share of trends, or of shards' alerts, that is as long as it may get; the smaller of the two."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.xlen(alerts_key(shard))
        pipe.hkeys(latest_key(shard))
    replies: list[Any] = pipe.execute()
    pipe = client.pipeline(transaction=False)
    for shard, names in enumerate(replies[1::2]):
        for name in names[:_LOOKED_AT]:
            pipe.llen(trend_key(shard, name))
    trends: list[Any] = pipe.execute()
    if not trends:
        return 0.0
    long: int = sum(length >= trend_points for length in trends)
    told: int = sum(length >= alerts_max for length in replies[::2])
    return min(long / len(trends), told / shards)


def sample(shards: int, windows: int, seed: int) -> list[int]:
    """The shards to be compared with an offline run: all, or where that would take too long some, by ``seed``."""
    few = max(1, min(shards, shards * COMPARED_WINDOWS // max(1, windows)))
    return sorted(random.Random(seed).sample(range(shards), few))


def _resident(process: psutil.Process) -> int:
    """Bytes; none for the child that rewrites the log of Redis, which shares the memory of its parent."""
    with suppress(psutil.NoSuchProcess):
        parent = process.parent()
        if parent is not None and process.name() == parent.name() == "redis-server":
            return 0
        return int(process.memory_info().rss)
    return 0


def slope(looks: Sequence[tuple[float, float]], since_s: float = 0.0) -> Slope:
    """The straight line through (seconds, megabytes) after the warm-up and ``since_s``, fitted to means of blocks.

    Its error is the larger of two: that of the line, if all noise were about looking; and that of a walk which
    has no direction, by the steps from block to block. Pages that were once taken are seldom given back, so one
    large step of a process lifts all later looks: no growth, as long as such steps do not come again and again.
    """
    at, size = np.array(looks, np.float64).T
    kept = at >= max(since_s, at[0] + WARM_UP * (at[-1] - at[0]))
    blocks = [
        (float(t.mean()), float(s.mean()))
        for t, s in zip(np.array_split(at[kept], BLOCKS), np.array_split(size[kept], BLOCKS), strict=True)
        if len(t)
    ]
    t, s = np.array(blocks).T
    from scipy import stats  # noqa: PLC0415 - takes seconds to import, and only a soak needs it

    line = stats.linregress(t / 3600, s)
    steps = np.diff(s) / np.diff(t / 3600)
    error = max(float(line.stderr), float(steps.std(ddof=1)) / len(steps) ** 0.5)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, max(1, len(blocks) - 2))) * error
    return Slope(float(size[-1]), float(line.slope), float(line.slope - reach), float(line.slope + reach))


def soak(house: House, say: Say) -> tuple[Story, Soaked]:
    """Stream to the end, looking at memory all the while."""
    owned(house)
    story = Story(house.stream())
    memory = Memory()
    began = said = asked = time.monotonic()
    settings = house.build.settings
    with connect(house.url) as client:
        while not house.streamed:
            house.sleep(EVERY_S)
            memory.look(house)
            now = time.monotonic()
            if memory.full_s is None and now - asked > FULL_EVERY_S:
                asked = now
                share = filled(
                    client,
                    settings.stream.shards,
                    trend_points=settings.monitor.trend_points,
                    alerts_max=settings.monitor.alerts_max,
                )
                if share >= ENOUGH:
                    memory.full_s = now
                    say(f"{now - began:7.0f} s  what is kept by design is full")
            if now - said > _SAY_EVERY_S:
                said = now
                sizes = ", ".join(f"{name} {looks[-1][1]:.0f} MB" for name, looks in sorted(memory.looks.items()))
                say(f"{said - began:7.0f} s  {sizes}")
    drain(house, say)
    story.restarts = {service.name: service.starts - 1 for service in house.services}
    story.committed = read_all(house)
    return story, memory.soaked(began)
