"""One patient's samples, when the infarct begins, and recordings that never end."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.ingest.recordings.seam import beat_aligned

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class Stream:
    """``millivolts`` at ``rate_mhz`` of a patient of this ``kind``; ``onset_s``: None where no infarct comes."""

    patient: str
    kind: str
    rate_mhz: int
    millivolts: Floats
    onset_s: float | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.millivolts) / (self.rate_mhz / 1000)


@dataclass(frozen=True, slots=True)
class Length:
    """How long streams are, and when infarcts begin in those that have one."""

    seconds: float = 600.0
    onset_s: float = 300.0


def looped(millivolts: Floats, rate_mhz: int, seconds: float) -> Floats:
    """A recording over and over for so long, its ends joined where nobody sees it, in steps of a microvolt."""
    microvolts = np.clip(np.rint(millivolts * 1000), -32768, 32767).astype(np.int16)
    loop = beat_aligned(microvolts, rate_mhz)
    index = np.arange(round(seconds * rate_mhz / 1000))
    size = len(loop.samples)
    again = index >= size
    index[again] = loop.start + (index[again] - loop.start) % (size - loop.start)
    return (loop.samples[index] / 1000).astype(np.float32)
