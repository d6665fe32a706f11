"""Where a reader of alerts stands: the last alert it has of every shard, as one opaque piece of text.

A cursor must be small, because a browser sends it back in a header. Up to `LISTED` shards are written exactly.
Where more have alerts, the shards that were quiet longest share one *floor*, a time at or before which each of
them alerted last: whoever comes back with such a cursor may be told again what lies within `MARGIN_MS` of it (an
alert has an id to know it by), and misses nothing unless Redis' clock is set back by more than that.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from services.inference.api.errors import Refused

Id = tuple[int, int]
START: Id = (0, 0)
LISTED = 700
MARGIN_MS = 60_000
_VERSION = 1
_MOST = 2**53


class BadCursor(Refused):
    """A text that is no cursor of this monitor."""

    def __init__(self) -> None:
        super().__init__(422, "this is no cursor of this monitor: leave it out to begin with what is newest")


@dataclass(frozen=True, slots=True)
class Cursor:
    """``at``: the last id seen of each shard that has any; ``floor``: that of all the others."""

    shards: int
    at: Mapping[int, Id] = field(default_factory=dict)
    floor: Id = START

    def of(self, shard: int) -> Id:
        """The last id seen of one shard."""
        return self.at.get(shard, self.floor)

    def moved(self, shard: int, to: Id) -> "Cursor":
        """The same, one shard further."""
        return Cursor(self.shards, {**self.at, shard: to}, self.floor)

    def text(self) -> str:
        """As it travels: letters, digits, ``-`` and ``_``; some 9 characters a listed shard."""
        rows = sorted((entry, shard) for shard, entry in self.at.items() if entry > self.floor)
        floor = self.floor[0]
        if len(rows) > LISTED:
            quiet = rows[: len(rows) - LISTED]
            floor = max(floor, quiet[-1][0][0] - MARGIN_MS)
            rows = [row for row in rows if row[0][0] > floor][-LISTED:]
        newest = rows[-1][0][0] if rows else 0
        raw = bytearray([_VERSION])
        for number in (self.shards, floor, newest, len(rows)):
            _put(raw, number)
        before = 0
        for shard, (milliseconds, sequence) in sorted((shard, entry) for entry, shard in rows):
            for number in (shard - before, newest - milliseconds, sequence):
                _put(raw, number)
            before = shard
        return base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str, shards: int) -> Self:
        """Mirror image of `text`; refuses (`BadCursor`) everything else, and a monitor's with other shards."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            numbers = _numbers(raw)
            version, said, floor, newest, count = [next(numbers) for _ in range(5)]
            at, shard = {}, 0
            for _ in range(count):
                shard += next(numbers)
                at[shard] = (newest - next(numbers), next(numbers))
            left = next(numbers, None)
        except (binascii.Error, ValueError, StopIteration):
            raise BadCursor from None
        ids = [(floor, 0), *at.values()]
        sane = all(0 <= milliseconds <= _MOST and sequence <= _MOST for milliseconds, sequence in ids)
        if version != _VERSION or said != shards or shard >= shards or not sane or left is not None:
            raise BadCursor
        return cls(shards, at, (floor, 0))


def _put(raw: bytearray, number: int) -> None:
    """A number in groups of seven bits, the lowest first."""
    while number >= 0x80:
        raw.append(number & 0x7F | 0x80)
        number >>= 7
    raw.append(number)


def _numbers(raw: bytes) -> "_Numbers":
    return _Numbers(raw)


class _Numbers:
    """The numbers in some bytes, one after the other; `ValueError` where one is cut off or too long."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def __iter__(self) -> "_Numbers":
        return self

    def __next__(self) -> int:
        if self._at == len(self._raw):
            raise StopIteration
        number = shift = 0
        while True:
            if self._at == len(self._raw) or shift > 63:
                raise ValueError("cut off")
            byte = self._raw[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
