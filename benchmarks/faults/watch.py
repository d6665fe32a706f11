"""How far behind live the committed facts are, seen from outside a few times a second, and when it was well again.

*Behind*: how long ago a patient's next window should have been committed, because its last sample was taken then;
of a shard what nine of ten patients do not exceed, and the worst shard's. A healthy stream is behind by up to a
frame and a step, about a second and a half. Redis or an API that does not answer is infinitely behind.
"""

import json
import math
import statistics
import threading
import time
import urllib.request
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from redis.exceptions import RedisError

from shared.position import PositionError, read_marks
from shared.redis.local import local_client
from shared.shards import marks_key

EVERY_S = 0.25
SHARE = 0.9
WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """One moment of faults, when it was over, and how long after that the stream was live for good."""

    name: str
    begun_s: float
    lifted_s: float
    recovered_s: float | None

    def line(self) -> str:
        """For the log."""
        back = "not live again in time" if self.recovered_s is None else f"live {self.recovered_s:.1f} s later"
        return f"{self.begun_s:7.1f} s  {self.name}, for {self.lifted_s - self.begun_s:.1f} s: {back}"


def behind_s(marks: Sequence[bytes], stride_s: float, now_s: float) -> float:
    """Of one shard's marks; how overdue windows are at most, of nine in ten patients. Minus infinity for none."""
    if not marks:
        return -math.inf
    rows = read_marks(marks)
    due_s = rows["session_start_us"] / 1e6 + rows["next_window"] * stride_s + WINDOW_S
    return float(np.quantile(now_s - due_s, SHARE))


class Watch:
    """Looks in a thread of its own while it is entered. ``web``: the port of an API that must be ready, too."""

    def __init__(self, port: int, shards: int, stride_s: float, within_s: float, web: int | None = None) -> None:
        self.within_s = within_s
        self._port, self._shards, self._stride_s, self._web = port, shards, stride_s, web
        self._times: list[float] = []
        self._behind: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def behind_s(self) -> float:
        """Now."""
        return self._behind[-1] if self._behind else math.inf

    def well_since(self, moment_s: float) -> float | None:
        """From when on (monotonic clock, not before ``moment_s``) all looks were well; None: the last was not."""
        if not self._times or self._times[-1] < moment_s or self._behind[-1] > self.within_s:
            return None
        first = bisect_left(self._times, moment_s)
        for place in range(len(self._behind) - 1, first - 1, -1):
            if self._behind[place] > self.within_s:
                return self._times[place + 1]
        return moment_s

    def _look(self) -> None:
        while not self._stop.wait(EVERY_S):
            began = time.monotonic()
            behind = math.inf
            with suppress(RedisError, OSError, PositionError):
                behind = self._once()
            if self._web is not None and not _ready(self._web):
                behind = math.inf
            self._behind.append(behind)
            self._times.append(began)

    def _once(self) -> float:
        with local_client(self._port, timeout_s=1.0) as client:
            pipe = client.pipeline(transaction=False)
            for shard in range(self._shards):
                pipe.hvals(marks_key(shard))
            replies: list[Any] = pipe.execute()
        now = time.time()
        return max(behind_s(marks, self._stride_s, now) for marks in replies)


def by_kind(recoveries: Sequence[Recovery]) -> dict[str, dict[str, float]]:
    """Median and worst seconds, and how many, of each kind that came alone; what came together is one kind.

    One that was not live again in time makes the worst, and is counted as ``never``.
    """
    found: Mapping[str, list[Recovery]] = defaultdict(list)
    for each in recoveries:
        found["two at once" if " + " in each.name else each.name].append(each)
    said = {}
    for name, group in sorted(found.items()):
        times = [each.recovered_s for each in group if each.recovered_s is not None]
        never = len(group) - len(times)
        figures = {"median": statistics.median(times), "worst": max(times)} if times else {}
        said[name] = {k: round(v, 2) for k, v in figures.items()} | {"times": len(group)}
        if never:
            said[name]["never"] = never
    return said


def _ready(port: int) -> bool:
    address = f"http://127.0.0.1:{port}/readyz"
    with suppress(OSError, ValueError), urllib.request.urlopen(address, timeout=1.0) as answer:
        return bool(json.load(answer).get("ready"))
    return False
