"""The newest samples of one patient, placed by index: late and doubled frames fall into place, gaps stay gaps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.frames import Frames

# So long a gap is waited for; then it is one. Frames come out of order by less than the monitor's own lateness.
LATE_S = 2.0
KEPT_S = 16.0
_US_TIMES_MHZ = 10**9


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """Some consecutive samples of one session, from sample ``first`` on."""

    session: int
    session_start_us: int
    rate_mhz: int
    uv_per_lsb: float
    first: int
    samples: npt.NDArray[np.int16]

    @property
    def end(self) -> int:
        """One past its last sample."""
        return self.first + len(self.samples)

    @property
    def rank(self) -> tuple[int, int]:
        """Of two sessions the one that began later is the patient's."""
        return self.session_start_us, self.session


@dataclass(frozen=True, slots=True)
class Strip:
    """Samples of one session from ``first`` on, in counts; None where one is missing."""

    session: int
    session_start_us: int
    rate_mhz: int
    uv_per_lsb: float
    first: int
    samples: tuple[int | None, ...]

    @property
    def end(self) -> int:
        """One past the last sample."""
        return self.first + len(self.samples)

    def view(self, patient: str) -> dict[str, Any]:
        """For JSON."""
        return {
            "patient": patient,
            "session": str(self.session),
            "rate_hz": self.rate_mhz / 1000,
            "uv_per_lsb": self.uv_per_lsb,
            "start_us": self.session_start_us + self.first * _US_TIMES_MHZ // self.rate_mhz,
            "samples": self.samples,
        }


def nothing(patient: str) -> dict[str, Any]:
    """The view of a patient of whom there are no samples."""
    unknown: dict[str, Any] = dict.fromkeys(("session", "rate_hz", "uv_per_lsb", "start_us"))
    return {"patient": patient} | unknown | {"samples": ()}


class Trace:
    """One patient's newest samples, ``kept_s`` of them. Pieces may come in any order. Not thread-safe."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._pieces: list[Piece] = []
        self._newest: Piece | None = None
        self._lowest = 0

    def place(self, piece: Piece) -> None:
        """Take in a piece; those of an earlier session, or of another rate in the same, are ignored."""
        newest = self._newest
        if newest is None or piece.rank > newest.rank:
            self._pieces, self._newest, self._lowest = [piece], piece, piece.first
            return
        if piece.rank < newest.rank or piece.rate_mhz != newest.rate_mhz:
            return
        self._pieces.append(piece)
        self._lowest = min(self._lowest, piece.first)
        if piece.end > newest.end:
            self._newest = piece
            oldest = piece.end - self._samples(self._kept_s, piece)
            if self._pieces[0].end < oldest:
                self._pieces = [kept for kept in self._pieces if kept.end >= oldest]

    def covers(self, seconds: float) -> bool:
        """Whether all is there that can be: everything back to so long ago, whatever is missing in between."""
        newest = self._newest
        if newest is None:
            return False
        wanted = max(0, newest.end - self._samples(seconds, newest))
        # Older frames may have come later: look a little further than the first that is old enough.
        enough = self._lowest <= max(0, wanted - self._samples(LATE_S, newest))
        return enough or not self._missing(wanted, newest.end).any()

    def newest(self, seconds: float) -> Strip | None:
        """The last seconds of it."""
        newest = self._newest
        if newest is None:
            return None
        begin = max(self._lowest, newest.end - self._samples(seconds, newest))
        return self._strip(newest, begin, newest.end)

    def fresh(self, before: Strip | None, seconds: float) -> Strip | None:
        """What follows a strip that was given out, up to the first gap that may still close; None if nothing does.

        Without a strip before, or after one of another session, the last ``seconds``.
        """
        newest = self._newest
        if newest is None:
            return None
        same = before is not None and newest.rank == (before.session_start_us, before.session)
        if before is not None and same and newest.rate_mhz == before.rate_mhz:
            begin = max(before.end, newest.end - self._samples(self._kept_s, newest))
        else:
            begin = max(self._lowest, newest.end - self._samples(seconds, newest))
        waiting = begin + np.flatnonzero(self._missing(begin, newest.end))
        waiting = waiting[waiting >= newest.end - self._samples(LATE_S, newest)]
        end = int(waiting[0]) if waiting.size else newest.end
        return self._strip(newest, begin, end) if end > begin else None

    @staticmethod
    def _samples(seconds: float, piece: Piece) -> int:
        return round(seconds * piece.rate_mhz / 1000)

    def _missing(self, begin: int, end: int) -> npt.NDArray[np.bool_]:
        missing = np.ones(max(0, end - begin), bool)
        for piece in self._pieces:
            missing[max(0, piece.first - begin) : max(0, piece.end - begin)] = False
        return missing

    def _strip(self, newest: Piece, begin: int, end: int) -> Strip:
        values = np.zeros(end - begin, np.int64)
        for piece in self._pieces:
            low, high = max(begin, piece.first), min(end, piece.end)
            if low < high:
                part = piece.samples[low - piece.first : high - piece.first].astype(np.float64)
                if piece.uv_per_lsb != newest.uv_per_lsb:
                    part *= piece.uv_per_lsb / newest.uv_per_lsb
                values[low - begin : high - begin] = np.rint(part)
        samples: list[int | None] = [*values.tolist()]
        for at in np.flatnonzero(self._missing(begin, end)).tolist():
            samples[at] = None
        return Strip(
            newest.session, newest.session_start_us, newest.rate_mhz, newest.uv_per_lsb, begin, tuple(samples)
        )


def pieces_of(
    runs: Sequence[tuple[int, Frames]], names: Iterable[bytes], *, lead: int, max_ahead_us: int
) -> list[tuple[bytes, Piece]]:
    """The pieces of some patients in decoded frames, in their order; each run with its entry's milliseconds.

    Frames that the monitor refuses (another lead, a start in the future) are no part of a strip either.
    """
    if not runs:
        return []
    patients = np.concatenate([frames.headers["patient"] for _, frames in runs])
    wanted = np.flatnonzero(np.isin(patients, np.array(sorted(names), patients.dtype)))
    starts = np.cumsum([0] + [len(frames) for _, frames in runs])
    found = []
    for at in wanted.tolist():
        run = int(np.searchsorted(starts, at, side="right")) - 1
        entry_ms, frames = runs[run]
        row = at - int(starts[run])
        header = frames.headers[row]
        start_us = int(header["session_start_us"])
        if int(header["lead"]) != lead or start_us - entry_ms * 1000 > max_ahead_us:
            continue
        piece = Piece(
            int(header["session"]),
            start_us,
            int(header["rate_mhz"]),
            float(header["uv_per_lsb"]),
            int(header["first"]),
            frames.samples[row],
        )
        found.append((bytes(header["patient"]), piece))
    return found
