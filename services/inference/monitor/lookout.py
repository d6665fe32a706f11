"""Looking for silence, about once a second: the store's clock, and what the other replicas hear. Redis' edge.

A look begins before a read: what that read does not bring had not come by then. Each replica tells the
others, in a key that expires, when it last looked at each of its shards and who was heard there (`Tally`).
Nothing here lasts: what follows from a look is committed with its shard.
"""

import struct
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from redis import RedisCluster

from services.inference.alarms import Rules
from services.inference.alarms.together import NOBODY, TALLY, Tally, Together
from services.inference.commit.script import PUT
from shared.redis.connection import Client
from shared.shards import report_key, stream_key

MOST_BETWEEN_S = 1.0
_HEAD = struct.Struct("<BxH4x")
_VERSION = 1
_LOOKED = np.dtype([("shard", "<u2"), ("at_us", "<i8")])


@dataclass(frozen=True, eq=False, slots=True)
class Report:
    """When some shards were last looked at, and who was heard there."""

    looked_us: Mapping[int, int]
    rows: Tally

    def pack(self) -> bytes:
        """The value that the other replicas read."""
        looked = np.array(list(self.looked_us.items()), np.int64).reshape(-1, 2)
        head = np.zeros(len(looked), _LOOKED)
        head["shard"], head["at_us"] = looked[:, 0], looked[:, 1]
        return _HEAD.pack(_VERSION, len(head)) + head.tobytes() + self.rows.tobytes()

    @classmethod
    def unpack(cls, raw: bytes) -> Self | None:
        """Mirror image of `pack`; None for what another version of the program says."""
        if len(raw) < _HEAD.size or raw[0] != _VERSION:
            return None
        _, shards = _HEAD.unpack_from(raw)
        begin = _HEAD.size + shards * _LOOKED.itemsize
        if len(raw) < begin or (len(raw) - begin) % TALLY.itemsize:
            return None
        looked = np.frombuffer(raw[_HEAD.size : begin], _LOOKED)
        looked_us = dict(zip(looked["shard"].tolist(), looked["at_us"].tolist(), strict=True))
        return cls(looked_us, np.frombuffer(raw[begin:], TALLY))


class Lookout:
    """One replica's looks. Not thread-safe. Raises what redis-py raises; the next look starts afresh."""

    def __init__(
        self, client: Client, replica: str, shards: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._replica, self._shards, self._clock = client, replica, shards, clock
        self._next = clock()
        self._own: dict[int, int] = {}
        self._others: tuple[Report, ...] = ()

    def begin(self, rules: Rules, shards: Collection[int], live: Collection[str]) -> Mapping[int, int]:
        """If a look is due: the store's time for each of ``shards``, µs. Two round trips, once a second."""
        now = self._clock()
        if now < self._next or not shards:
            return {}
        self._next = now + min(MOST_BETWEEN_S, rules.settings.stream_lost_s / 6)
        others = [name for name in live if name != self._replica]
        pipe = self._client.pipeline(transaction=False)
        for name in others:
            pipe.get(report_key(name))
        found = [Report.unpack(raw) for raw in (pipe.execute() if others else ()) if raw is not None]
        self._others = tuple(report for report in found if report is not None)
        return self._times(shards)

    def together(self, rules: Rules, now_us: Mapping[int, int], tallies: Mapping[int, Tally]) -> Together:
        """What all replicas hear. ``now_us``: of shards that were read to their end; ``tallies``: of all held."""
        self._own = {shard: at for shard, at in self._own.items() if shard in tallies} | dict(now_us)
        rows = np.concatenate([NOBODY, *tallies.values()])
        reports = [Report(self._own, rows), *self._others]
        newest: dict[int, tuple[int, int]] = {}  # of each shard: who looked last, and when
        for number, report in enumerate(reports):
            for shard, at in report.looked_us.items():
                if shard not in newest or at > newest[shard][1]:
                    newest[shard] = number, at
        settings = rules.settings
        lost_us = round(settings.stream_lost_s * 1e6)
        latest_us = max(now_us.values())
        # Nobody looks later than now: who seems to has not looked since the clock was set back.
        lately = [abs(at - latest_us) <= lost_us // 3 for _, at in newest.values()]
        complete = len(newest) == self._shards and all(lately)
        kept = [
            report.rows[np.isin(report.rows["shard"], [s for s, (n, _) in newest.items() if n == number])]
            for number, report in enumerate(reports)
        ]
        return Together.of(
            np.concatenate(kept),
            complete,
            latest_us,
            lost_us,
            settings.system_patients,
            gather_us=round(settings.gather_s * 1e6),
        )

    def tell(self, rules: Rules, tallies: Mapping[int, Tally], live: Collection[str]) -> None:
        """Let the other replicas, if there are any, know what was heard."""
        if any(name != self._replica for name in live):
            report = Report(self._own, np.concatenate([NOBODY, *tallies.values()]))
            keep_ms = max(1000, round(rules.settings.stream_lost_s * 1000 / 3))
            PUT(self._client, (report_key(self._replica),), report.pack(), keep_ms)

    def _times(self, shards: Collection[int]) -> dict[int, int]:
        client = self._client
        if not isinstance(client, RedisCluster):
            return dict.fromkeys(shards, _micros(client.time()))
        # Each node stamps the entries of its own shards.
        nodes = {
            shard: client.get_node_from_key(stream_key(shard))  # type: ignore[no-untyped-call]  # left so by redis-py
            for shard in shards
        }
        times = {node.name: _micros(client.time(target_nodes=node)) for node in set(nodes.values())}
        return {shard: times[node.name] for shard, node in nodes.items()}


def _micros(time: Any) -> int:
    seconds, micros = time
    return int(seconds) * 1_000_000 + int(micros)
