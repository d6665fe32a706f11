"""A feed: a source with its place in time. Turns frame ``i`` of a source into an addressed parcel.

All patients of a feed share one session and one start, so their frames fall due together;
large rosters are cut into several feeds whose starts are spread over one frame (`spread`).
"""

from dataclasses import dataclass

import numpy as np

from services.ingest.parcel import Parcel
from services.ingest.source import Source
from shared.frames import LEADS, Frames, headers
from shared.shards import shard_of

# The golden ratio's fractional part: multiples of it fill an interval evenly, however many there are.
_GOLDEN = 0.6180339887498949


def spread(number: int, frame_seconds: float) -> int:
    """Microseconds by which feed ``number`` starts later, so that not all feeds fall due at once.

    >>> [spread(i, 1.0) for i in range(3)]
    [0, 618033, 236067]
    """
    return int(number * _GOLDEN % 1.0 * frame_seconds * 1e6)


@dataclass(frozen=True, slots=True)
class Slot:
    """When and under which name a feed's samples were taken: ``session`` began at ``start_us`` (Unix time)."""

    session: int
    start_us: int


class Feed:
    """Frames of one source as parcels, sorted by shard once and for all."""

    def __init__(self, source: Source, slot: Slot, shards: int) -> None:
        roster = source.roster
        numbers = np.array([shard_of(patient, shards) for patient in roster.patients], np.intp)
        order = np.argsort(numbers, kind="stable")
        template = headers(len(roster))
        template["patient"] = np.array(roster.patients, "S32")[order]
        template["session"] = slot.session
        template["session_start_us"] = slot.start_us
        template["rate_mhz"] = roster.rate_mhz
        template["lead"] = LEADS.index(roster.lead)
        template["uv_per_lsb"] = roster.uv_per_lsb[order]
        self.source = source
        self.slot = slot
        self._order = order
        self._numbers = numbers[order]
        self._template = template

    def __len__(self) -> int:
        return len(self._order)

    @property
    def frames(self) -> int | None:
        """How many frames the source has; None without end."""
        return self.source.frames

    def first_sample(self, index: int) -> int:
        """Index of the first sample of frame ``index`` in the session."""
        return index * self.source.roster.frame_samples

    def frame_of(self, sample: int) -> int:
        """The frame that holds a sample."""
        return sample // self.source.roster.frame_samples

    def due_us(self, index: int) -> int:
        """Unix time (µs) at which the last sample of frame ``index`` has been taken; exact, so no drift."""
        samples = self.first_sample(index + 1)
        return self.slot.start_us + -(-samples * 1_000_000_000 // self.source.roster.rate_mhz)

    def parcel(self, index: int) -> Parcel:
        """Frame ``index`` of every patient."""
        samples = self.source.frame(index)
        header = self._template.copy()
        header["first"] = self.first_sample(index)
        return Parcel(Frames(header, samples[self._order]), self._numbers)
