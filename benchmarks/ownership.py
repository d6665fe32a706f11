"""`selfmis bench ownership`: ten thousand shards, hundreds of replicas: balance, moving, take-over, Redis' share.

The real division, leases, heartbeats and scripts over a real Redis; only the replicas are objects of one process
that turns them one after the other, without commits (which would renew leases by themselves, so what is measured
is the most that ownership can cost). Times are as long as they would be with a process each, or longer.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.report import json_argument, present
from services.inference.commit.link import Link
from services.inference.ownership.heartbeat import Heartbeats
from services.inference.ownership.rendezvous import shares
from services.inference.ownership.tenure import Tenures
from shared.command import Parser, run
from shared.errors import SelfmisError
from shared.redis.embedded import embedded


class Fleet:
    """Replicas that are turned by turns. ``tenures`` are the living ones, by name."""

    def __init__(self, link: Link, shards: int, lease_s: float) -> None:
        self._link, self._shards, self._lease_s = link, shards, lease_s
        self.tenures: dict[str, Tenures] = {}
        # Each process of a real fleet divides for itself, all at the same time; `divided` measures one.
        self._divide = lru_cache(maxsize=8)(shares)

    def join(self, names: Sequence[str]) -> None:
        """New replicas, which all beat before the first takes a shard, as processes side by side would."""
        for name in names:
            Heartbeats(self._link, name, keep_ms=round(self._lease_s * 1000)).beat()
            self.tenures[name] = Tenures(
                self._link,
                name,
                self._shards,
                lease_s=self._lease_s,
                beat_s=self._lease_s / 5,
                clock=time.monotonic,
                divide=self._divide,
            )

    def kill(self, names: Sequence[str]) -> set[int]:
        """They are turned no more; the shards that now wait for their leases to end."""
        return {shard for name in names for shard in self.tenures.pop(name).held}

    def turn(self) -> None:
        """Each replica once; what it is to give back it does."""
        for tenures in self.tenures.values():
            for holding in tenures.turn().leave:
                tenures.release(holding.shard)

    def sizes(self) -> list[int]:
        """How many shards each holds."""
        return [len(tenures.held) for tenures in self.tenures.values()]

    def whole(self) -> bool:
        """Every shard has an owner and nobody more than a share."""
        sizes = self.sizes()
        return sum(sizes) == self._shards and max(sizes) - min(sizes) <= 1

    def until_whole(self, limit_s: float) -> float:
        """Seconds until then."""
        begun = time.monotonic()
        while True:
            self.turn()
            if self.whole():
                return time.monotonic() - begun
            if time.monotonic() - begun > limit_s:
                raise SelfmisError(f"bench ownership: shards are still without an owner after {limit_s:.0f} s")

    def steady(self, seconds: float) -> "Steady":
        """What Redis does while nothing happens."""
        self._link.client.config_resetstat()
        begun, turns = time.monotonic(), []
        while time.monotonic() - begun < seconds:
            at = time.monotonic()
            self.turn()
            turns.append(time.monotonic() - at)
        took = time.monotonic() - begun
        calls = self._link.client.info("commandstats")["cmdstat_evalsha"]
        if not self.whole():
            raise SelfmisError("bench ownership: shards changed hands although nobody came or went")
        return Steady(calls["calls"] / took, calls["usec"] / took / 1e6, max(turns))


@dataclass(frozen=True, slots=True)
class Steady:
    """``ops_per_s`` and ``cores`` of Redis; ``longest_turn_s``: of all replicas together, as one process."""

    ops_per_s: float
    cores: float
    longest_turn_s: float


def divided(replicas: int, shards: int) -> dict[str, float]:
    """The pure division: how even, how long, and what one join and one leave move."""
    names = [f"replica-{number:05d}" for number in range(replicas)]
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        before = shares(names, shards)
        times.append(time.perf_counter() - begun)
    joined, left = shares([*names, "joins"], shards), shares(names[1:], shards)
    owner = {shard: name for name, mine in before.items() for shard in mine}

    def moved(after: dict[str, tuple[int, ...]]) -> float:
        return sum(owner[shard] != name for name, mine in after.items() for shard in mine) / shards

    sizes = [len(mine) for mine in before.values()]
    return {
        "division_s": min(times),
        "fewest_shards": min(sizes),
        "most_shards": max(sizes),
        "moved_on_join": moved(joined),
        "moved_on_leave": moved(left),
        "moved_at_least": 1 / (replicas + 1),
    }


def measure(url: str, shards: int, replicas: int, lease_s: float, seconds: float) -> dict[str, float]:
    """Start, steady state, one replica killed, a tenth killed, and as many new ones."""
    link = Link(url, timeout_s=10)
    try:
        link.client.flushall()
        fleet = Fleet(link, shards, lease_s)
        names = [f"replica-{number:05d}" for number in range(replicas)]
        fleet.join(names)
        figures = {"start_s": fleet.until_whole(120)}
        steady = fleet.steady(seconds)
        figures |= {
            "redis_ops_per_s": steady.ops_per_s,
            "redis_cores": steady.cores,
            "longest_turn_of_all_s": steady.longest_turn_s,
        }
        # Several, one after the other: when in its beat a replica dies decides about a fifth of a lease.
        each = []
        for name in names[:3]:
            fleet.kill([name])
            each.append(fleet.until_whole(lease_s * 4 + 60))
        figures["take_over_s_one"] = median(each)
        gone = names[3 : 3 + max(1, replicas // 10)]
        figures["killed_at_once"] = len(gone)
        figures["shards_without_owner"] = len(fleet.kill(gone))
        figures["take_over_s_a_tenth"] = fleet.until_whole(lease_s * 4 + 60)
        fleet.join([f"new-{number}" for number in range(len(gone))])
        figures["join_s_a_tenth"] = fleet.until_whole(lease_s * 4 + 60)
    finally:
        link.close()
    return figures


def main(argv: Sequence[str]) -> int:
    """Divide shards among replicas by the real leases and heartbeats, kill some, add some, and time it."""
    parser = Parser(prog="selfmis bench ownership", description=main.__doc__)
    parser.add_argument("--shards", type=int, default=10_000, help="default %(default)s")
    parser.add_argument("--replicas", type=int, default=200, help="over Redis (default %(default)s)")
    parser.add_argument("--fleet", type=int, default=800, help="of the pure division (default %(default)s)")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of steady state (default %(default)s)")
    json_argument(parser)
    arguments = parser.parse_args(argv)
    if not 3 < arguments.replicas <= arguments.shards or not 1 < arguments.fleet <= arguments.shards:
        raise SelfmisError("bench ownership: more than three replicas and at most as many as shards are needed")
    figures: dict[str, object] = {
        "shards": arguments.shards,
        "replicas": arguments.replicas,
        "lease_s": arguments.lease,
    }
    with (
        TemporaryDirectory(prefix="selfmis-bench-") as folder,
        embedded(Path(folder), port=0, maxmemory_mb=256) as redis,
    ):
        figures |= measure(redis.url, arguments.shards, arguments.replicas, arguments.lease, arguments.seconds)
    figures["fleet"] = arguments.fleet
    figures |= {f"fleet_{name}": value for name, value in divided(arguments.fleet, arguments.shards).items()}
    present("shards, leases and heartbeats", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
