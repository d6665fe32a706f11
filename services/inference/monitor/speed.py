"""How fast all replicas together are: histograms that outlive the replicas that measured them.

A replica's pulse goes with it, and its name is new each time, so neither is fit to be a metric: sums over whoever
lives fall when one leaves. So each replica adds what its pulse has gained to one common hash, once a second. Added
at most once: what a lost reply leaves unknown is not added again. This is for watching; what must be exact is
committed (`counting`).
"""

from collections.abc import Mapping
from typing import Any

from services.inference.monitor.pulse import BATCH_EDGES, LATENCY_EDGES_S, STAGE_EDGES_S, Histogram, Pulse
from shared.redis.connection import Client
from shared.shards import SPEED_KEY

EDGES: Mapping[str, tuple[float, ...]] = {
    "latency": LATENCY_EDGES_S,
    "batch": BATCH_EDGES,
    "stage": STAGE_EDGES_S,
}
ABOVE = "+Inf"


def totals(pulse: Pulse) -> dict[str, int]:
    """All that a pulse says of speed as integers by field: ``family|label…|edge``, sums in millionths."""
    fields: dict[str, int] = {}
    _histogram(fields, "latency", "latency", pulse.latency)
    _histogram(fields, "batch", "batch", pulse.batch)
    for stage, histogram in pulse.took.items():
        _histogram(fields, f"stage|{stage}", "stage", histogram)
    for stage in pulse.stage.__slots__:
        fields[f"cpu_e6|{stage}"] = round(getattr(pulse.stage, stage) * 1e6)
    fields["steps"], fields["reloads"] = pulse.steps, pulse.reloads
    return fields


class Account:
    """What of one pulse has been added already."""

    def __init__(self) -> None:
        self._added: dict[str, int] = {}

    def gained(self, pulse: Pulse) -> dict[str, int]:
        """What has come since the last call; it counts as added from now on."""
        now = totals(pulse)
        gained = {name: value - self._added.get(name, 0) for name, value in now.items()}
        self._added = now
        return {name: value for name, value in gained.items() if value}


def add(client: Client, gained: Mapping[str, int]) -> None:
    """Add to the common hash. One round trip, some 10 µs of Redis; raises what redis-py raises."""
    if not gained:
        return
    pipe = client.pipeline(transaction=False)
    for name, value in gained.items():
        pipe.hincrby(SPEED_KEY, name, value)
    pipe.execute()


def read(client: Client) -> dict[str, int]:
    """The common hash."""
    stored: Any = client.hgetall(SPEED_KEY)
    return {name.decode(): int(value) for name, value in stored.items()}


def _histogram(fields: dict[str, int], name: str, family: str, histogram: Histogram) -> None:
    labels = [f"{edge:g}" for edge in EDGES[family]] + [ABOVE]
    for label, amount in zip(labels, histogram.counts.tolist(), strict=True):
        fields[f"{name}|{label}"] = amount
    fields[f"{name}|sum_e6"] = round(histogram.sum * 1e6)
