"""A long run without faults: does the memory of any process grow? Slopes with their confidence, by process."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import psutil

from benchmarks.faults.house import House
from benchmarks.faults.run import Story, drain, owned, read_all

EVERY_S = 1.0
# What Redis keeps by design must be full before the warm-up is over: no alerts, which are kept for days,
# and of trends, kept for hours, as many points as come in two minutes.
FULL = (
    "alarm.off=0.9990",
    "alarm.low=0.9995",
    "alarm.medium=0.9997",
    "alarm.high=0.9999",
    "monitor.trend_points=4",
)
# Memory grows while everything begins; what is left out, as a share of the run.
WARM_UP = 0.3
# Neighbouring looks are alike; means over so many blocks are nearly independent of each other.
BLOCKS = 12
CONFIDENCE = 0.99  # of each process: of several, one that is flat is rarely taken for one that grows
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


@dataclass(slots=True)
class Memory:
    """Looks at the resident size of processes, by service."""

    looks: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def look(self, house: House) -> None:
        """One look at all of them."""
        now = time.monotonic()
        for service in house.services:
            size = sum(_resident(process) for process in service.processes())
            if size:
                self.looks[service.name].append((now, size / 1e6))

    def slopes(self) -> dict[str, Slope]:
        """Of each service, after the warm-up."""
        return {name: slope(looks) for name, looks in sorted(self.looks.items())}


def _resident(process: psutil.Process) -> int:
    """Bytes; none for the child that rewrites the log of Redis, which shares the memory of its parent."""
    with suppress(psutil.NoSuchProcess):
        parent = process.parent()
        if parent is not None and process.name() == parent.name() == "redis-server":
            return 0
        return int(process.memory_info().rss)
    return 0


def slope(looks: Sequence[tuple[float, float]]) -> Slope:
    """The straight line through (seconds, megabytes), fitted to the means of blocks of it."""
    at, size = np.array(looks, np.float64).T
    kept = at >= at[0] + WARM_UP * (at[-1] - at[0])
    blocks = [
        (float(t.mean()), float(s.mean()))
        for t, s in zip(np.array_split(at[kept], BLOCKS), np.array_split(size[kept], BLOCKS), strict=True)
        if len(t)
    ]
    t, s = np.array(blocks).T
    from scipy import stats  # noqa: PLC0415 - takes seconds to import, and only a soak needs it

    line = stats.linregress(t / 3600, s)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, max(1, len(blocks) - 2))) * line.stderr
    return Slope(float(size[-1]), float(line.slope), float(line.slope - reach), float(line.slope + reach))


def soak(house: House, say: Say) -> tuple[Story, dict[str, Slope]]:
    """Stream to the end, looking at memory all the while."""
    owned(house)
    story = Story(house.stream())
    memory = Memory()
    began = said = time.monotonic()
    while not house.streamed:
        house.sleep(EVERY_S)
        memory.look(house)
        if time.monotonic() - said > _SAY_EVERY_S:
            said = time.monotonic()
            sizes = ", ".join(f"{name} {looks[-1][1]:.0f} MB" for name, looks in sorted(memory.looks.items()))
            say(f"{said - began:7.0f} s  {sizes}")
    drain(house, say)
    story.committed = read_all(house)
    return story, memory.slopes()
