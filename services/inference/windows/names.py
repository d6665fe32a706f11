"""The patients of one shard by name: which row of the table each of them has."""

import numpy as np

from services.inference.windows.patients import Patients
from services.inference.windows.rules import Integers
from shared.frames import Headers

# A source sends the same patients side by side every time; so many such lists are remembered.
_LISTS = 64


class Names:
    """One shard's part of a table. ``most``: patients that `admit` takes."""

    def __init__(self, patients: Patients, most: int) -> None:
        self.seat = patients.sit()
        self._patients = patients
        self._most = most
        self._rows: dict[bytes, int] = {}
        self._lists: dict[bytes, Integers] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, name: bytes) -> int | None:
        """The row of a name, if it is known."""
        return self._rows.get(name)

    def find(self, headers: Headers) -> Integers:
        """The row of each frame's patient, -1 where it is unknown; not to be written to."""
        said = headers["patient"].tobytes()
        rows = self._lists.get(said)
        if rows is None:
            get = self._rows.get
            rows = np.array([get(name, -1) for name in headers["patient"].tolist()], np.int64)
            if rows.min(initial=0) >= 0:
                if len(self._lists) >= _LISTS:
                    self._lists.clear()
                self._lists[said] = rows
        return rows

    def admit(self, name: bytes) -> int | None:
        """A row for a new patient; None when there are ``most`` already."""
        return self.enter(name) if len(self._rows) < self._most else None

    def enter(self, name: bytes) -> int:
        """The same, however many there are: who is known already stays, also when ``most`` has been lowered."""
        row = self._rows[name] = self._patients.enter(name, self.seat)
        return row

    def forget(self, name: bytes) -> None:
        """Free the row of a patient, which holds no slot."""
        self._patients.forget(self._rows.pop(name))
        self._lists.clear()

    def rows(self) -> Integers:
        """All rows, in rising order."""
        return np.sort(np.fromiter(self._rows.values(), np.int64, len(self._rows)))

    def leave(self) -> None:
        """The shard goes, and all of its rows, which hold no slots."""
        for row in self._rows.values():
            self._patients.forget(row)
        self._rows.clear()
        self._lists.clear()
        self._patients.leave(self.seat)
