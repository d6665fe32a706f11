"""Which replica should own which shard: pure, so that replicas that see the same set agree without talking.

Plain rendezvous hashing (each shard to the replica with the highest weight) moves the least but
divides badly: of 64 shards one of 8 replicas may get 2 and another 15. Here weights are taken
highest first and a replica that has its fair share takes no more, so shares differ by one at most,
at the price of some more moving (the tests bound it).

Of a large fleet most weights never matter, so first each shard's `_FAVOURITES` are dealt, then what is left among
the replicas that still have room.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.uint64]

_FAVOURITES = 16
# So many weights are made at once, and then forgotten: they stay in the processor's cache.
_AT_ONCE = 1 << 17
# SplitMix64 (Steele, Lea and Flood 2014): its step, and the multipliers of its finaliser.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def weights(replicas: Iterable[str], shards: npt.NDArray[np.intp]) -> Weights:
    """(shards × replicas) 64-bit numbers that look random and are the same on every machine."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in replicas]
    seeds = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
    mixed = (shards.astype(np.uint64)[:, None] + np.uint64(1)) * _STEP + seeds
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    found: Weights = mixed ^ (mixed >> np.uint64(31))
    return found


def shares(replicas: Iterable[str], shards: int) -> dict[str, tuple[int, ...]]:
    """The shards of each replica, in order; their numbers differ by one at most.

    The order of ``replicas`` does not matter. Costs replicas × shards weights: 0.3 ms for 8 × 64, half a second
    for 800 × 10,000.
    """
    names = sorted(set(replicas))
    if not names:
        return {}
    deal = _Deal(len(names), shards)
    favourites = min(_FAVOURITES, len(names))
    step = max(1, _AT_ONCE // len(names))
    best, who, which = [], [], []
    for first in range(0, shards, step):
        some = np.arange(first, min(first + step, shards))
        made = weights(names, some)
        columns = np.argpartition(made, len(names) - favourites, axis=1)[:, len(names) - favourites :]
        best.append(np.take_along_axis(made, columns, axis=1).ravel())
        who.append(columns.ravel())
        which.append(np.repeat(some, favourites))
    if best:
        deal.deal(np.concatenate(best), np.concatenate(who), np.concatenate(which))
    left, room = deal.left()
    if len(left):
        made = weights([names[row] for row in room.tolist()], left)
        deal.deal(made.ravel(), np.tile(room, len(left)), np.repeat(left, len(room)))
    return {name: tuple(np.flatnonzero(deal.owner == row).tolist()) for row, name in enumerate(names)}


class _Deal:
    """Shards dealt so far: each to one replica, none beyond a replica's fair share."""

    def __init__(self, replicas: int, shards: int) -> None:
        self._fair, self._larger = divmod(shards, replicas)  # so many replicas have one more than the fair share
        self.owner = np.full(shards, -1, np.intp)
        self._load = np.zeros(replicas, np.intp)

    def deal(self, weight: Weights, replica: npt.NDArray[np.intp], shard: npt.NDArray[np.intp]) -> None:
        """Highest weight first, and the same order everywhere should two be alike."""
        order = np.lexsort((shard, replica, weight))[::-1]
        owner, load = self.owner.tolist(), self._load.tolist()
        for row, each in zip(replica[order].tolist(), shard[order].tolist(), strict=True):
            if owner[each] >= 0 or load[row] > self._fair or (load[row] == self._fair and not self._larger):
                continue
            self._larger -= load[row] == self._fair
            owner[each] = row
            load[row] += 1
        self.owner[:], self._load[:] = owner, load

    def left(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Shards without an owner, and replicas with room for more."""
        room = self._load < self._fair + (1 if self._larger else 0)
        return np.flatnonzero(self.owner < 0), np.flatnonzero(room)
