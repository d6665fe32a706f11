"""What a replica says of itself: speed, batch sizes, where its time goes. About a process, so lost with it.

What must be exact is committed (`counting`); this is for watching. Each replica writes it to a key
that expires, so that any API replica can show all of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from services.inference.commit.script import PUT
from shared.redis.connection import Client
from shared.shards import REPLICAS_KEY, pulse_key

KEPT_MS = 15_000
LATENCY_EDGES_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
# How long a stage of a step takes, whatever its size.
STAGE_EDGES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


WAIT = "wait"


class Histogram:
    """Counts of values by bucket: up to each edge, and above the last; and their sum."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.counts = np.zeros(len(edges) + 1, np.int64)
        self.sum = 0.0

    def add(self, values: npt.NDArray[np.floating] | npt.NDArray[np.integer]) -> None:
        """Count values."""
        self.counts += np.bincount(np.searchsorted(self.edges, values), minlength=len(self.counts))
        self.sum += float(values.sum())

    def count(self, value: float) -> None:
        """Count one value."""
        self.add(np.array([value]))

    def quantile(self, share: float) -> float | None:
        """The upper edge of the bucket with this share; None without values, infinite above the last edge."""
        total = int(self.counts.sum())
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), share * total))
        return self.edges[place] if place < len(self.edges) else float("inf")

    def to_json(self) -> dict[str, Any]:
        """For `tell`."""
        return {"edges": self.edges, "counts": self.counts.tolist(), "sum": self.sum}


@dataclass(slots=True)
class Stage:
    """Where the processor time of a loop's thread went, in seconds, summed; waiting for Redis is in none.

    ``score``: gaps, resampling and the quality gate; ``model``: the model alone; ``own``: leases, loading shards
    and telling of itself.
    """

    read: float = 0.0
    place: float = 0.0
    score: float = 0.0
    model: float = 0.0
    judge: float = 0.0
    commit: float = 0.0
    own: float = 0.0

    @property
    def work(self) -> float:
        """All but reading, most of which is waiting."""
        return self.place + self.score + self.model + self.judge + self.commit + self.own


# Reading is waiting, so how long it takes says nothing.
TIMED = (WAIT, *(name for name in Stage.__slots__ if name != "read"))


@dataclass(slots=True)
class Pulse:
    """One replica. ``beat_s``: its clock when the loop last came round. ``latency``: last sample to commit.

    ``lag_s``: how long the oldest entry of the last read had waited in Redis. ``refused``: why the newest
    configuration is not in force, if so. ``model``: name and version of the one in use, ``folder``: where it is.
    ``stage``: processor time in all; ``took``: elapsed time by step (``wait``: of the oldest entry).
    ``unacknowledged``: since when (µs), see `alarms.census.oldest`.
    """

    beat_s: float = 0.0
    steps: int = 0
    windows: int = 0
    patients: int = 0
    shards: int = 0
    reloads: int = 0
    lag_s: float = 0.0
    refused: str | None = None
    model: str = ""
    folder: str = ""
    unacknowledged: dict[str, int] = field(default_factory=dict)
    stage: Stage = field(default_factory=Stage)
    took: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram(STAGE_EDGES_S) for name in TIMED})
    latency: Histogram = field(default_factory=lambda: Histogram(LATENCY_EDGES_S))
    batch: Histogram = field(default_factory=lambda: Histogram(BATCH_EDGES))

    def to_json(self) -> dict[str, Any]:
        """For views; ``beat_s`` means nothing elsewhere."""
        return {
            "steps": self.steps,
            "windows": self.windows,
            "patients": self.patients,
            "shards": self.shards,
            "reloads": self.reloads,
            "lag_s": self.lag_s,
            "refused": self.refused,
            "model": self.model,
            "folder": self.folder,
            "unacknowledged": self.unacknowledged,
            "stage_s": {name: getattr(self.stage, name) for name in Stage.__slots__},
            "latency_s": self.latency.to_json(),
            "batch": self.batch.to_json(),
        }


def tell(client: Client, replica: str, pulse: Pulse) -> None:
    """Write a pulse where views find it."""
    PUT(client, (pulse_key(replica),), json.dumps(pulse.to_json()), KEPT_MS)


def pulses(client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every live replica's pulse, by name."""
    names: Any = client.zrange(REPLICAS_KEY, 0, -1)
    for name in sorted(name.decode() for name in names):
        told: Any = client.get(pulse_key(name))
        if told is not None:
            yield name, json.loads(told)
