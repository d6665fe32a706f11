"""The samples of open windows: one flat buffer per device rate, one stretch of it a patient.

A stretch is a line, not a circle: column 0 is the patient's *origin*, and when a frame
would not fit any more, what open windows still need moves to the front. So a window is always
one contiguous stretch, and many patients' frames go in, or windows come out, by one
indexing over all stretches of that length (measured: 25 ns for a frame of 130
samples, 200 ns with computed column indices, 440 ns in a loop).

A missing sample is NaN; behind the high-water mark a stretch holds anything.
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from services.inference.windows.rules import Geometry, Integers

Millivolts = npt.NDArray[np.float32]
_FEWEST = 4


class Ring:
    """Stretches of one rate, in slots 0 … ``used`` - 1 without a hole; ``owner`` is the patient's row of each.

    Grows by a quarter and shrinks when half is empty, so it holds at most about
    twice what is in use.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.used = 0
        self.owner: Integers = np.empty(0, np.int64)
        self.cells: Millivolts = np.empty((0, geometry.buffer), np.float32)
        self._stretches: dict[int, Millivolts] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the buffer."""
        return self.cells.nbytes

    def take(self, row: int) -> int:
        """A slot for a patient's row."""
        if self.used == len(self.cells):
            self._resize(self.used + max(_FEWEST, self.used // 4))
        slot = self.used
        self.owner[slot] = row
        self.used += 1
        return slot

    def give(self, slot: int) -> int:
        """Free a slot; the last one moves into it. Gives the row whose slot became ``slot``, or -1."""
        last = self.used - 1
        moved = -1
        if slot != last:
            self.cells[slot] = self.cells[last]
            self.owner[slot] = moved = int(self.owner[last])
        self.used = last
        if len(self.cells) > 2 * _FEWEST and self.used <= len(self.cells) // 2:
            self._resize(self.used + max(_FEWEST, self.used // 4))
        return moved

    def write(self, slots: Integers, columns: Integers, samples: Millivolts) -> None:
        """Samples (k × n) into k stretches, each from its column on; they must fit."""
        self._of_length(samples.shape[1])[slots * self.geometry.buffer + columns] = samples

    def windows(self, slots: Integers, columns: Integers) -> Millivolts:
        """A copy of the windows (k × samples) that begin at a column each."""
        copy: Millivolts = self._of_length(self.geometry.samples)[slots * self.geometry.buffer + columns]
        return copy

    def to_front(self, slots: Integers, columns: Integers, length: int) -> None:
        """Move what begins at a column of each stretch to its front: ``length`` cells, or all up to its end.

        Behind them the stretch holds anything.
        """
        fits = columns + length <= self.geometry.buffer
        cells, begins = self._of_length(length), slots * self.geometry.buffer
        cells[begins[fits]] = cells[(begins + columns)[fits]]
        for slot, column in zip(slots[~fits].tolist(), columns[~fits].tolist(), strict=True):
            left = self.cells[slot, column:]  # nothing, where windows were leapt over
            self.cells[slot, : len(left)] = left

    def _of_length(self, length: int) -> Millivolts:
        """Every stretch of ``length`` cells, by the cell it begins at: a view."""
        view = self._stretches.get(length)
        if view is None:
            if len(self._stretches) > 64:  # a device that changes its frame length all the time
                self._stretches.clear()
            flat = self.cells.reshape(-1)
            shape = (flat.size - length + 1, length)
            view = self._stretches[length] = as_strided(flat, shape, flat.strides * 2)
        return view

    def _resize(self, slots: int) -> None:
        cells = np.empty((slots, self.geometry.buffer), np.float32)
        cells[: self.used] = self.cells[: self.used]
        owner = np.empty(slots, np.int64)
        owner[: self.used] = self.owner[: self.used]
        self.cells, self.owner = cells, owner
        self._stretches.clear()
