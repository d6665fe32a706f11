"""Reading, for the demo's view and its summary, what the monitor has committed."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from deploy.demo.view import Now
from services.inference.api import reading
from services.inference.monitor.pulse import Histogram, pulses
from shared.position import parse_id
from shared.redis.connection import Client
from shared.shards import position_key, stream_key

ALERTS_SHOWN = 12
WINDOWS = ("scored", "rejected", "missing")
RATE_OVER_S = 10.0


class Rate:
    """How fast a count grows, over the last `RATE_OVER_S`: windows come in bursts, one each stride."""

    def __init__(self, at: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(at, 0)])

    def __call__(self, at: float, count: int) -> float:
        """A second, since the oldest look that is young enough (one older is kept where none is)."""
        self._seen.append((at, count))
        while len(self._seen) > 2 and self._seen[0][0] < at - RATE_OVER_S:
            self._seen.popleft()
        then, before = self._seen[0]
        return (count - before) / max(at - then, 1e-3)


class Watch:
    """Looks at one Redis; remembers only what a rate needs."""

    def __init__(
        self, client: Client, shards: int, url: str, manifest: Any, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._shards, self._url, self._manifest, self._clock = client, shards, url, manifest, clock
        self._begun = clock()
        self._rate = Rate(self._begun)

    def now(self) -> Now:
        """What there is to see at this moment."""
        counted = reading.counters(self._client, self._shards)
        windows = windows_of(counted)
        at = self._clock()
        standing = reading.standing(self._client, self._shards)
        return Now(
            url=self._url,
            model=f"{self._manifest.name}:{self._manifest.version}",
            trained_on=self._manifest.trained_on,
            seconds=at - self._begun,
            patients=len(reading.patients(self._client, self._shards).names),
            windows=windows,
            windows_per_s=self._rate(at, windows),
            latency_p99_s=latency(self._client, 0.99),
            shards=standing.shards,
            owned=standing.owned,
            alarms=alarms_begun(counted),
            alerts=reading.alerts(self._client, self._shards, ALERTS_SHOWN),
        )


def windows_of(counted: Mapping[str, int]) -> int:
    """All windows, whatever became of them."""
    return sum(counted.get(f"windows|{outcome}", 0) for outcome in WINDOWS)


def alarms_begun(counted: Mapping[str, int]) -> Counter[str]:
    """Alarms that began, physiological (``mi``) and technical."""
    begun: Counter[str] = Counter()
    for name, amount in counted.items():
        family, *labels = name.split("|")
        if family == "alerts" and labels[-1] == "began":
            begun["mi" if labels[0] == "mi" else "technical"] += amount
    return begun


def latency(client: Client, share: float) -> float | None:
    """Over all live replicas: what this share of complete windows stayed within, last sample to commit."""
    total: Histogram | None = None
    for _, told in pulses(client):
        found = told["latency_s"]
        total = total or Histogram(tuple(found["edges"]))
        total.counts += found["counts"]
    return None if total is None else total.quantile(share)


def caught_up(client: Client, shards: int) -> bool:
    """Whether everything that was sent has been committed."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        pipe.xrevrange(stream_key(shard), count=1)
        pipe.hget(position_key(shard), "offset")
    replies = pipe.execute()
    return all(
        not newest or (offset is not None and parse_id(offset.decode()) >= parse_id(newest[0][0].decode()))
        for newest, offset in zip(replies[::2], replies[1::2], strict=True)
    )
