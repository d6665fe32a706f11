"""What is known of each patient of some shards: one row, one array a field.

A row keeps its number until the patient is forgotten. All indices are samples or windows of
the patient's current session; entries are numbers of the `Log` of the patient's shard.
"""

import numpy as np
import numpy.typing as npt

from services.inference.windows.log import NONE
from services.inference.windows.rules import Integers
from shared.frames import MAX_PATIENT_BYTES

_FEWEST = 16
_FIELDS: tuple[tuple[str, npt.DTypeLike], ...] = (
    ("name", f"S{MAX_PATIENT_BYTES}"),
    ("seat", np.int64),
    ("session", np.uint64),
    ("start_us", np.int64),
    ("rate_mhz", np.int64),
    ("next_window", np.int64),
    ("next_sample", np.int64),
    ("high_water", np.int64),
    ("opened", np.int64),
    ("next_open", np.int64),
    ("hole_end", np.int64),
    ("parked_end", np.int64),
    ("slot", np.int64),
    ("origin", np.int64),
    ("scale", np.float32),
    ("oldest", np.int64),
    ("touched", np.int64),
    ("heard", np.int64),
    ("order", np.int64),
)


class Patients:
    """The rows. Room doubles as needed; freed rows are used again.

    Each shard whose patients are here has a *seat*, a small number that is used again when it leaves.
    """

    name: npt.NDArray[np.bytes_]
    seat: Integers  # of the patient's shard
    session: npt.NDArray[np.uint64]  # with start_us: the current session; a rate of 0 says there was none yet
    start_us: Integers
    rate_mhz: Integers
    next_window: Integers  # the first window that has not closed
    next_sample: Integers  # … and where it starts
    high_water: Integers  # one past the newest sample, at least next_sample
    opened: Integers  # how many windows start before high_water, at least next_window
    next_open: Integers  # where window number `opened` starts
    hole_end: Integers  # no sample from here up to high_water is missing
    parked_end: Integers  # one past the parked samples that the committed state holds; 0: it holds none
    slot: Integers  # in the ring of the rate, -1: not in memory
    origin: Integers  # the sample in column 0 of the slot
    scale: npt.NDArray[np.float32]  # millivolts per count of the newest frame
    oldest: Integers  # the entry from which on the open windows must be read again, NONE: no need
    touched: Integers  # the newest entry that held a frame of the current session
    heard: Integers  # the newest entry that held a frame of it that was not late as a whole
    order: Integers  # scratch: which frame of a batch is a row's first
    pins: Integers  # (rows x cells) oldest entry with a sample of window w or later, in cell w % cells

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self.seats = 0
        """One above the highest seat ever taken: the length of an array by seat."""
        self._free_seats: list[int] = []
        self._free: list[int] = []
        for field, dtype in _FIELDS:
            setattr(self, field, np.zeros(0, dtype))
        self.pins = np.zeros((0, cells), np.int64)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return int(self.pins.nbytes + sum(getattr(self, field).nbytes for field, _ in _FIELDS))

    def sit(self) -> int:
        """A seat for a shard."""
        if self._free_seats:
            return self._free_seats.pop()
        self.seats += 1
        return self.seats - 1

    def leave(self, seat: int) -> None:
        """Give a seat back; no row is its any more."""
        self._free_seats.append(seat)

    def enter(self, name: bytes, seat: int) -> int:
        """A row for a new patient, which has no session yet."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.name[row] = name
        self.seat[row] = seat
        self.rate_mhz[row] = 0
        self.slot[row] = -1
        self.parked_end[row] = 0
        self.oldest[row] = self.touched[row] = self.heard[row] = NONE
        return row

    def forget(self, row: int) -> None:
        """Free a row that holds no slot."""
        self.slot[row] = -1
        self.oldest[row] = self.touched[row] = self.heard[row] = NONE
        self._free.append(row)

    def begin(self, row: int, session: int, start_us: int, rate_mhz: int) -> None:
        """A session begins at sample 0; nothing of it is there yet."""
        self.session[row] = session
        self.start_us[row] = start_us
        self.rate_mhz[row] = rate_mhz
        for field in (self.next_window, self.next_sample, self.high_water, self.opened, self.next_open):
            field[row] = 0
        self.hole_end[row] = 0
        self.oldest[row] = NONE

    def repin(self, rows: Integers) -> None:
        """Look up ``oldest`` again after windows of ``rows`` opened or closed."""
        window = self.next_window[rows]
        pin = self.pins[rows, window % self.cells]
        self.oldest[rows] = np.where(self.opened[rows] > window, pin, NONE)

    def _grow(self) -> None:
        old = len(self.name)
        new = max(_FEWEST, 2 * old)
        for field, dtype in _FIELDS:
            grown = np.zeros(new, dtype)
            grown[:old] = getattr(self, field)
            setattr(self, field, grown)
        self.slot[old:] = -1
        self.oldest[old:] = self.touched[old:] = self.heard[old:] = NONE
        pins = np.full((new, self.cells), NONE, np.int64)
        pins[:old] = self.pins
        self.pins = pins
        self._free.extend(reversed(range(old, new)))
