"""What comes out: the windows that closed, each patient's in their order, with the samples a model needs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from services.inference.windows.log import Ids
from services.inference.windows.patients import Patients
from services.inference.windows.ring import Millivolts
from services.inference.windows.rules import Geometry, Integers, end_us
from shared.frames import MAX_PATIENT_BYTES


class Outcome(IntEnum):
    """What a window is good for. ``GAPPED``: few enough samples are missing to be interpolated."""

    COMPLETE = 0
    GAPPED = 1
    UNASSESSABLE = 2


WINDOW = np.dtype(
    [
        ("patient", f"S{MAX_PATIENT_BYTES}"),
        ("session", "<u8"),
        ("session_start_us", "<i8"),
        ("window", "<i8"),
        ("windows", "<i8"),  # above 1 only for unassessable ones without any sample: so many from `window` on
        ("first", "<i8"),  # the sample at which it starts
        ("rate_mhz", "<u4"),
        ("outcome", "u1"),
        ("missing", "<u4"),  # samples missing in (each of) them
        ("end_us", "<i8"),  # the time at which it (the last of them) ends
        ("entry_ms", "<i8"),  # the stream entry that closed it
        ("entry_sequence", "<u8"),
    ]
)


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Assessable windows of one device rate: ``millivolts`` (k × samples of a window, float32), NaN where missing.

    ``index`` says which row of `Cut.windows` each of them is.
    """

    rate_mhz: int
    index: Integers
    millivolts: Millivolts

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which samples are there (k × samples)."""
        return ~np.isnan(self.millivolts)


@dataclass(frozen=True, eq=False, slots=True)
class Cut:
    """Windows in the order they closed (dtype `WINDOW`), and the samples of all that are assessable."""

    windows: npt.NDArray[np.void]
    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return int(self.windows["windows"].sum())

    def counts(self) -> Iterator[tuple[Outcome, int]]:
        """How many windows had each outcome."""
        counted = np.bincount(self.windows["outcome"], self.windows["windows"], minlength=len(Outcome))
        for outcome, windows in zip(Outcome, counted.tolist(), strict=True):
            yield outcome, int(windows)


@dataclass(frozen=True, eq=False, slots=True)
class Closed:
    """The next window of each of ``rows`` closes, all of one rate; ``entry`` numbers what closed it.

    Without ``millivolts`` there is no sample in it, nor in the others of the next ``windows``.
    """

    geometry: Geometry
    rows: Integers
    missing: Integers
    entry: Integers
    millivolts: Millivolts | None = None
    windows: int = 1


class Closing:
    """Collects the windows that close during one step."""

    def __init__(self) -> None:
        self._closed: list[tuple[Closed, npt.NDArray[np.uint64], Integers, Integers]] = []

    def add(self, patients: Patients, closed: Closed) -> None:
        """Take note, and of what identifies the windows now: a later frame may begin another session."""
        rows = closed.rows
        self._closed.append((closed, patients.session[rows], patients.start_us[rows], patients.next_window[rows]))

    def finish(self, patients: Patients, ids: Ids) -> tuple[Cut, Integers]:
        """Everything collected, as one table and one block a rate; and the seat of each window's patient."""
        seats = np.zeros(sum(len(closed.rows) for closed, *_ in self._closed), np.int64)
        table = np.empty(len(seats), WINDOW)
        blocks: dict[int, list[tuple[Integers, Millivolts]]] = {}
        done = 0
        for closed, session, start_us, window in self._closed:
            here = slice(done, done + len(closed.rows))
            seats[here] = patients.seat[closed.rows]
            part = table[here]
            part["patient"] = patients.name[closed.rows]
            part["session"] = session
            part["session_start_us"] = start_us
            part["window"] = window
            _fill(part, closed, ids, ids.places(seats[here], closed.entry))
            assessable = np.flatnonzero(closed.missing <= closed.geometry.limit)
            if closed.millivolts is not None and assessable.size:
                whole = assessable.size == len(closed.rows)
                samples = closed.millivolts if whole else closed.millivolts[assessable]
                blocks.setdefault(closed.geometry.rate_mhz, []).append((done + assessable, samples))
            done = here.stop
        self._closed.clear()
        return Cut(table, tuple(_block(rate, parts) for rate, parts in blocks.items())), seats


def _fill(table: npt.NDArray[np.void], closed: Closed, ids: Ids, places: Integers) -> None:
    """The fields that follow from the others."""
    geometry, window = closed.geometry, table["window"]
    first = geometry.starts(window)
    last = first if closed.windows == 1 else geometry.starts(window + closed.windows - 1)
    table["windows"] = closed.windows
    table["first"] = first
    table["rate_mhz"] = geometry.rate_mhz
    table["outcome"] = (closed.missing > 0).astype(np.uint8) + (closed.missing > geometry.limit)
    table["missing"] = closed.missing
    table["end_us"] = end_us(table["session_start_us"], last + geometry.samples, geometry.rate_mhz)
    table["entry_ms"] = ids.milliseconds[places]
    table["entry_sequence"] = ids.sequence[places]


def _block(rate_mhz: int, parts: Iterable[tuple[Integers, Millivolts]]) -> Block:
    index, samples = zip(*parts, strict=True)
    if len(index) == 1:
        return Block(rate_mhz, index[0], samples[0])
    return Block(rate_mhz, np.concatenate(index), np.concatenate(samples))
