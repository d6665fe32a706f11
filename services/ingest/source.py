"""What every source of samples is: some patients that advance together, readable at any frame.

A source has no clock, no session and no memory of what was sent: frame ``i`` is the
same samples whenever and however often it is asked for. So the schedule decides when
a frame is due, the position of a source is one number, and a restarted process
resumes by asking for an earlier frame again.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from shared.errors import SelfmisError
from shared.frames import LEADS, MAX_COUNT, MAX_RATE_MHZ, MIN_RATE_MHZ, Samples, patient_bytes


class SourceError(SelfmisError):
    """A recording or description that cannot be streamed: names the file or patient's row and says why."""


@dataclass(frozen=True, eq=False)
class Roster:
    """Who streams from a source, one row a patient, and what they have in common.

    ``patients``: ids as frame headers hold them. ``uv_per_lsb``: gain of each row
    (float32, n). ``frame_samples``: samples in every frame but possibly the last.
    """

    patients: tuple[bytes, ...]
    rate_mhz: int
    lead: str
    frame_samples: int
    uv_per_lsb: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.patients:
            raise SourceError("a source without patients: nothing to stream")
        if len(set(self.patients)) != len(self.patients):
            raise SourceError("a patient appears twice in one source: give each a name of its own")
        for patient in self.patients:
            patient_bytes(patient.decode())
        if not MIN_RATE_MHZ <= self.rate_mhz <= MAX_RATE_MHZ:
            raise SourceError(f"sampling rate {self.rate_mhz / 1000:g} Hz is outside 50 to 1000 Hz")
        if self.lead not in LEADS:
            raise SourceError(f"lead {self.lead!r} is not one of {', '.join(LEADS)}")
        if not 1 <= self.frame_samples <= MAX_COUNT:
            raise SourceError(f"a frame holds 1 to {MAX_COUNT} samples, not {self.frame_samples}")
        if self.uv_per_lsb.shape != (len(self.patients),):
            raise SourceError("one gain a patient is needed")

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def frame_seconds(self) -> float:
        """Time between two frames of one patient."""
        return self.frame_samples * 1000 / self.rate_mhz


@runtime_checkable
class Source(Protocol):
    """Samples of a roster, by frame.

    Opening is construction: a source that exists has read and checked what it needs,
    and a file it could not use has been reported, not raised, if others remain.
    """

    @property
    def roster(self) -> Roster:
        """Who streams."""

    @property
    def frames(self) -> int | None:
        """How many frames there are; None for a source without end."""

    def frame(self, index: int) -> Samples:
        """Samples of frame ``index`` of every patient, row by row (n × frame_samples, int16).

        The last frame of a finite source may be shorter. Pure: same index, same bytes.
        Refuses (`IndexError`) what lies outside ``0 … frames - 1``.
        """

    def close(self) -> None:
        """Give back files and memory; nothing may be read afterwards."""
