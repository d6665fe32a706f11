"""Frames of many rows at once, read out of recordings that the rows share.

All recordings lie one after the other in one array, each followed by as much of its own
continuation as the longest frame needs. So a frame is always consecutive in memory,
even across a seam, and reading one of every row is a single gather.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.ingest.recordings.seam import Loop


class Tracks:
    """Rows that each play one of some loops (or some ends) from an offset on.

    ``tapes``: what can be played; ``tape`` and ``offset``: which of them each row plays and
    from where. Memory: the tapes once, plus some 40 bytes a row.
    """

    def __init__(
        self, tapes: Sequence[Loop], tape: npt.NDArray[np.intp], offset: npt.NDArray[np.int64], longest: int
    ) -> None:
        lengths = np.array([len(each.samples) for each in tapes], np.int64)
        starts = np.array([each.start for each in tapes], np.int64)
        pieces = [piece for each in tapes for piece in (each.samples, _continuation(each, longest))]
        pool = np.concatenate(pieces)
        bases = np.concatenate([[0], np.cumsum(lengths + longest)[:-1]])
        self._windows = np.lib.stride_tricks.sliding_window_view(pool, longest)
        self._base, self._start, self._end = bases[tape], starts[tape], lengths[tape]
        self._turn = self._end - self._start
        self._offset = offset

    def __len__(self) -> int:
        return len(self._offset)

    def read(self, first: int, count: int) -> npt.NDArray[Any]:
        """Samples ``first`` to ``first + count`` of every row (n × count); ``count`` is at most ``longest``."""
        at = self._offset + first
        over = at >= self._end
        if over.any():
            at = np.where(over, self._start + (at - self._start) % self._turn, at)
        frames: npt.NDArray[Any] = self._windows[self._base + at]
        return frames[:, :count]


def _continuation(tape: Loop, longest: int) -> npt.NDArray[Any]:
    """What follows the end of a loop, ``longest`` samples of it."""
    turn = len(tape.samples) - tape.start
    following: npt.NDArray[Any] = tape.samples[tape.start + np.arange(longest) % turn]
    return following
