"""What is due next, of many feeds and of parcels that the network delays: pure, absolute, without drift.

Due times are derived from sample indices, never from when something was last done, so a
late process catches up and a fast one waits. At ``speed`` N the same order is walked N
times faster; at infinite speed everything is due at once, in order of sample time.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.feed import Feed
from services.ingest.parcel import Parcel


@dataclass(frozen=True, slots=True)
class Due:
    """Frame ``index`` of feed ``feed`` is due; or, where ``parcel`` is set, that parcel, after its delay."""

    at_us: int
    feed: int
    index: int
    parcel: Parcel | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How sample time maps to the clock: ``sample_us`` is due at ``clock_us``, the rest at ``speed``."""

    sample_us: int
    clock_us: int
    speed: float = 1.0

    def wall_s(self, at_us: int) -> float:
        """The Unix time at which something is due that belongs to sample time ``at_us``."""
        if math.isinf(self.speed):
            return 0.0
        return (self.clock_us + (at_us - self.sample_us) / self.speed) / 1e6


class Schedule:
    """A heap over the feeds' next frames and the delayed parcels. ``stop_us`` ends every feed in sample time."""

    def __init__(self, feeds: Sequence[Feed], start: Sequence[int], stop_us: float = math.inf) -> None:
        self._feeds = feeds
        self._stop_us = stop_us
        self._heap: list[tuple[int, int, Due]] = []
        self._ties = 0
        for number, index in enumerate(start):
            self._push_frame(number, index)

    def __bool__(self) -> bool:
        return bool(self._heap)

    def peek(self) -> Due:
        """What is due next, left where it is."""
        return self._heap[0][2]

    def pop(self) -> Due:
        """What is due next; a feed's next frame takes its place."""
        due = heapq.heappop(self._heap)[2]
        if due.parcel is None:
            self._push_frame(due.feed, due.index + 1)
        return due

    def delay(self, due: Due, parcel: Parcel, by_s: float) -> None:
        """Let a parcel of ``due`` arrive later (sample time)."""
        self._push(Due(due.at_us + int(by_s * 1e6), due.feed, due.index, parcel))

    def _push_frame(self, number: int, index: int) -> None:
        feed = self._feeds[number]
        if feed.frames is not None and index >= feed.frames:
            return
        due = feed.due_us(index)
        if due <= self._stop_us:
            self._push(Due(due, number, index))

    def _push(self, due: Due) -> None:
        self._ties += 1
        heapq.heappush(self._heap, (due.at_us, self._ties, due))
