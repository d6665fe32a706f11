"""Entries of a shard's stream by number: one integer compares and stores cheaper than two.

Entries are numbered 0, 1, 2 … as they are placed. Only the ids from the oldest still
needed on are kept.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Id = tuple[int, int]
NONE = 2**63 - 1  # the number of no entry: later than every entry
_LAST_SEQUENCE = 2**64 - 1


class Log:
    """The entries placed so far. Ids must rise; `number` refuses (`ValueError`) one that does not."""

    def __init__(self, after: Id) -> None:
        self._ids: list[Id] = []
        self._first = 0
        self.last = after

    def number(self, entry_id: Id) -> int:
        """Take the next entry and give its number."""
        if self._ids and entry_id <= self.last:
            raise ValueError(f"entry {text(entry_id)} was placed after {text(self.last)}: not in log order")
        self._ids.append(entry_id)
        self.last = entry_id
        return self.next - 1

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def next(self) -> int:
        """The number that the next entry will have."""
        return self._first + len(self._ids)

    def id(self, number: int) -> Id:
        """The id of a numbered entry that is still kept."""
        return self._ids[number - self._first]

    def tail(self, number: int) -> Sequence[Id]:
        """The ids from a number on."""
        return self._ids[number - self._first :]

    def since(self, milliseconds: int) -> int:
        """The number of the oldest kept entry whose log time is at least ``milliseconds``."""
        return self._first + bisect_left(self._ids, (milliseconds, 0))

    def forget(self, before: int) -> None:
        """Drop ids older than entry ``before``; the last one stays. Amortised: half the list at least."""
        drop = min(before - self._first, len(self._ids) - 1)
        if drop > 0 and 2 * drop >= len(self._ids):
            del self._ids[:drop]
            self._first += drop


@dataclass(frozen=True, eq=False, slots=True)
class Ids:
    """The ids of one step's entries, of several shards, for many at once: by seat and number."""

    milliseconds: npt.NDArray[np.int64]
    sequence: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int64]
    """By seat: the number of the shard's first entry of the step, `NONE` where it has none."""
    _base: npt.NDArray[np.int64]

    @classmethod
    def of(cls, seats: int, shards: Iterable[tuple[int, int, Sequence[Id]]]) -> Self:
        """From seat, number of the first entry, and ids of each shard."""
        first, base = np.full(seats, NONE), np.zeros(seats, np.int64)
        every: list[Id] = []
        for seat, number, ids in shards:
            if ids:
                first[seat], base[seat] = number, len(every) - number
                every += ids
        return cls(
            np.array([milliseconds for milliseconds, _ in every], np.int64),
            np.array([sequence for _, sequence in every], np.uint64),
            first,
            base,
        )

    def places(self, seats: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where each entry's id stands in `milliseconds` and `sequence`."""
        places: npt.NDArray[np.int64] = self._base[seats] + numbers
        return places


def text(entry_id: Id) -> str:
    """An id as Redis writes it."""
    return f"{entry_id[0]}-{entry_id[1]}"


def successor(entry_id: Id) -> Id:
    """The smallest id that is greater."""
    milliseconds, sequence = entry_id
    return (milliseconds + 1, 0) if sequence == _LAST_SEQUENCE else (milliseconds, sequence + 1)
