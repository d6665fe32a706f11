"""One patient's samples, and when the infarct begins."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
