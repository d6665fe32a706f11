"""What the quick look at a batch of windows needs to know of each patient: a row each, one array a field."""

import numpy as np
import numpy.typing as npt

from services.inference.alarms.evidence import Records, blank
from services.inference.alarms.terms import NEVER_US

_FEWEST = 16


class Beds:
    """Rows of the patients of some shards. Freed rows are used again; room doubles as needed.

    ``due``: when time itself does something to the patient's alarms. ``busy``: each window has to be judged.
    ``watched``: the patient is neither in standby nor discharged.
    """

    def __init__(self) -> None:
        self.records: Records = blank(0)
        self.due = np.zeros(0, np.int64)
        self.busy = np.zeros(0, bool)
        self.watched = np.zeros(0, bool)
        self.order = np.zeros(0, np.int64)  # scratch: which window of a batch is a row's first
        self._free: list[int] = []

    def take(self) -> int:
        """A row for a patient of whom nothing was seen."""
        if not self._free:
            self._grow()
        return self._free.pop()

    def give(self, row: int) -> None:
        """Free a row."""
        self.records[row] = blank(1)[0]
        self._free.append(row)

    def rounds(self, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Places of ``rows`` divided so that each row is there once a round, in order."""
        at, found = np.arange(len(rows)), []
        while at.size:
            r, places = rows[at], np.arange(len(at))
            self.order[r[::-1]] = places[::-1]  # of several windows of a row the first is written last
            first = self.order[r] == places
            found.append(at[first])
            at = at[~first]
        return found

    def _grow(self) -> None:
        old = len(self.records)
        more = max(_FEWEST, old)
        self.records = np.concatenate([self.records, blank(more)])
        self.due = np.concatenate([self.due, np.full(more, NEVER_US, np.int64)])
        self.busy = np.concatenate([self.busy, np.zeros(more, bool)])
        self.watched = np.concatenate([self.watched, np.ones(more, bool)])
        self.order = np.concatenate([self.order, np.zeros(more, np.int64)])
        self._free.extend(reversed(range(old, old + more)))
