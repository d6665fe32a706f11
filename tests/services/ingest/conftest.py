"""A source for tests: numbers that tell which sample of which patient they are."""

from collections.abc import Callable

import numpy as np
import pytest

from services.ingest.source import Roster, Source
from shared.frames import Samples


class Counting:
    """Patient ``r``'s sample ``k`` is ``(r + k) % 30000``; finite when ``frames`` says so."""

    def __init__(self, patients: int, *, rate_mhz: int, frame_samples: int, frames: int | None, name: str) -> None:
        self.frames = frames
        self.closed = False
        self.roster = Roster(
            tuple(f"{name}{i}".encode() for i in range(patients)),
            rate_mhz,
            "I",
            frame_samples,
            np.ones(patients, np.float32),
        )

    def frame(self, index: int) -> Samples:
        if index < 0 or (self.frames is not None and index >= self.frames):
            raise IndexError(index)
        count = self.roster.frame_samples
        sample = np.arange(index * count, (index + 1) * count)
        return ((np.arange(len(self.roster))[:, None] + sample) % 30_000).astype(np.int16)

    def close(self) -> None:
        self.closed = True


MakeSource = Callable[..., Source]


@pytest.fixture
def counting() -> MakeSource:
    """Makes counting sources."""

    def make(
        patients: int = 10,
        *,
        rate_mhz: int = 250_000,
        frame_samples: int = 250,
        frames: int | None = None,
        name: str = "p",
    ) -> Source:
        return Counting(patients, rate_mhz=rate_mhz, frame_samples=frame_samples, frames=frames, name=name)

    return make
