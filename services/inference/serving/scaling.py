"""How many Monitor replicas there should be: Serve asks, the lag of the streams and the loops' busy share answer.

A replica pulls and is sent no requests, so Serve's own policy would scale it to the minimum. `desired` decides,
from what replicas report about themselves (`Monitor.record_autoscaling_stats`); `StreamLag` is the shape in
which Serve wants it::

    autoscaling_config:
      policy:
        policy_function: services.inference.serving.scaling.StreamLag
        policy_kwargs: {busy: 0.6, lag_s: 2.0}

Serve adds what is about time and bounds: delays before it follows, the smallest and the largest number.
This module is copied into Serve's controller, so it imports nothing of ours.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext


@dataclass(frozen=True, slots=True)
class Load:
    """One replica: how long entries wait in Redis before it reads them, and how much of its time it works."""

    lag_s: float
    busy: float


@dataclass(frozen=True, slots=True)
class Targets:
    """``busy``: the share of its time that a replica should work. ``lag_s``: entries that wait longer mean too few
    replicas, whatever their busy share. ``slack``: so much below ``busy`` it must stay with one replica less
    before one is taken away, lest the next look bring it back.
    """

    busy: float = 0.6
    lag_s: float = 2.0
    slack: float = 0.25

    def __post_init__(self) -> None:
        if not (0 < self.busy <= 1 and self.lag_s > 0 and 0 <= self.slack < 1):
            raise ValueError(f"0 < busy <= 1, lag_s > 0 and 0 <= slack < 1 are wanted, not {self}")


def desired(loads: Iterable[Load], current: int, targets: Targets, *, least: int, most: int) -> int:
    """So many replicas, when there are or start ``current``, of which ``loads`` have spoken.

    Work is what all loops do together, in replicas; what one does that has not spoken is done by the others,
    who own its shards as long as it does not. More replicas as soon as the work needs them or, once all have
    spoken, entries wait; at most twice as many at a time. Fewer, one at a time, only when all have spoken,
    nothing waits, and the rest would have slack. Knowing nothing, as many as there are.
    """
    known = list(loads)
    if not known or current < 1:
        return _within(current, least, most)
    work = sum(load.busy for load in known)
    lag = max(load.lag_s for load in known)
    all_spoke = len(known) >= current
    wanted = current
    if lag > targets.lag_s and all_spoke:
        wanted = current + max(1, math.ceil(current * min(1.0, lag / targets.lag_s - 1)))
    if work > current * targets.busy:
        wanted = max(wanted, math.ceil(work / targets.busy))
    elif all_spoke and lag <= targets.lag_s / 2 and work <= (current - 1) * targets.busy * (1 - targets.slack):
        wanted = current - 1
    return _within(min(wanted, 2 * current), least, most)


class StreamLag:
    """The policy as Serve calls it, some times a second in its controller. Keywords are those of `Targets`."""

    def __init__(self, **targets: float) -> None:
        self._targets = Targets(**targets)

    def __call__(self, ctx: "AutoscalingContext") -> tuple[int, dict[str, Any]]:
        """The number of replicas, and a state that Serve keeps (there is none)."""
        wanted = desired(
            loads_of(ctx.aggregated_metrics or {}),
            ctx.target_num_replicas,
            self._targets,
            least=ctx.capacity_adjusted_min_replicas,
            most=ctx.capacity_adjusted_max_replicas,
        )
        return wanted, {}


def loads_of(metrics: Mapping[str, Mapping[Any, float]]) -> list[Load]:
    """What replicas reported, by replica; one that has not said both things yet is left out."""
    lag, busy = metrics.get("lag_s", {}), metrics.get("busy", {})
    return [Load(lag[replica], busy[replica]) for replica in lag if replica in busy]


def _within(replicas: int, least: int, most: int) -> int:
    return max(least, min(most, replicas))
