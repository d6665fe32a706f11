"""Frames with an address: sorted by shard, so that the encoded bytes of a shard are one slice.

Encoding is vectorised over all frames of a parcel, whatever their shards; because a record
batch is frames back to back, each shard's part is then cut out without encoding again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.frames import Frames, encode, frame_bytes
from shared.shards import shard_of


@dataclass(frozen=True, eq=False, slots=True)
class Parcel:
    """Equally long frames in order of their ``shards`` (n, ascending)."""

    frames: Frames
    shards: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def address(cls, frames: Frames, shards: int) -> "Parcel":
        """Sort frames of any order; computes a crc32 a frame. For the few, not for the mass."""
        numbers = np.array([shard_of(bytes(p), shards) for p in frames.headers["patient"]], np.intp)
        order = np.argsort(numbers, kind="stable")
        return cls(Frames(frames.headers[order], frames.samples[order]), numbers[order])

    def pick(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Parcel":
        """The same of fewer rows, in order."""
        return Parcel(Frames(self.frames.headers[rows], self.frames.samples[rows]), self.shards[rows])

    def encoded(self, entry_bytes: int) -> Iterator[tuple[int, bytes, int]]:
        """(shard, bytes, frames) of each shard's part, cut so that none is larger than ``entry_bytes``."""
        size = frame_bytes(self.frames.count)
        most = max(1, entry_bytes // size)
        data = encode(self.frames)
        edges = np.flatnonzero(np.diff(self.shards)) + 1
        for start, end in zip((0, *edges.tolist()), (*edges.tolist(), len(self)), strict=True):
            for cut in range(start, end, most):
                stop = min(cut + most, end)
                yield int(self.shards[cut]), data[cut * size : stop * size], stop - cut
