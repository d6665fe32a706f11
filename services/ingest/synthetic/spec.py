"""What a simulated patient is, as a value; and the ground truth that follows from it."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.ingest.synthetic import mimics
from services.ingest.synthetic.leads import LEADS, lead_name
from services.ingest.synthetic.noise import Effect
from shared.errors import SelfmisError
from shared.labels import MI_CODES, NORMAL

KINDS: tuple[str, ...] = (NORMAL, *MI_CODES, *mimics.MIMICS)
MIN_RATE_MHZ, MAX_RATE_MHZ = 50_000, 1_000_000


class SimulationError(SelfmisError):
    """A simulated patient was asked for something impossible."""


@dataclass(frozen=True, slots=True)
class PatientSpec:
    """Everything a simulated patient is. Equal specifications give equal bytes.

    ``seed`` and ``patient`` choose the person; ``recording`` another day of the same person (electrodes placed
    anew). ``kind`` is one of `KINDS`; the condition begins at ``onset_s`` (seconds of the device's clock;
    negative: it began before the recording) and before that the person is healthy. An infarct evolves ``speed``
    times as fast as in nature. ``severity`` 1 is a typical case. ``noise`` scales the ordinary background (0:
    none); ``effects`` add to it. ``rate_mhz`` is the device's rate in millihertz (250 Hz: 250_000).
    """

    kind: str = NORMAL
    seed: int = 0
    patient: int = 0
    recording: int = 0
    rate_mhz: int = 250_000
    lead: str = "I"
    onset_s: float = 0.0
    severity: float = 1.0
    speed: float = 1.0
    age: float | None = None
    sex: int | None = None
    heart_rate: float | None = None
    noise: float = 1.0
    effects: tuple[Effect, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SimulationError(f"patient kind {self.kind!r} is unknown; use one of {', '.join(KINDS)}")
        if lead_name(self.lead) is None:
            raise SimulationError(f"lead {self.lead!r} is unknown; use one of {', '.join(LEADS)}")
        if not MIN_RATE_MHZ <= self.rate_mhz <= MAX_RATE_MHZ:
            raise SimulationError(f"device rate {self.rate_mhz / 1000:g} Hz is outside 50 to 1000 Hz")
        if not 0 < self.severity <= 3:
            raise SimulationError(f"severity {self.severity:g} is outside 0 to 3")
        if not (self.speed > 0 and math.isfinite(self.speed)):
            raise SimulationError(f"speed {self.speed:g} must be above 0")
        if not math.isfinite(self.onset_s):
            raise SimulationError("onset_s must be a finite number of seconds")
        if self.heart_rate is not None and not 30 <= self.heart_rate <= 200:
            raise SimulationError(f"heart rate {self.heart_rate:g} is outside 30 to 200 per minute")
        if not 0 <= self.noise <= 100:
            raise SimulationError(f"noise {self.noise:g} is outside 0 to 100")


@dataclass(frozen=True, slots=True)
class Episode:
    """Ground truth: ``label`` holds from ``start_s`` to ``stop_s`` of the device's clock (``inf``: to the end)."""

    label: str
    start_s: float
    stop_s: float


def truth(spec: PatientSpec) -> list[Episode]:
    """Who has what from when: the kind (NORM before its onset), then each effect as ``effect:NAME``."""
    episodes = []
    if spec.onset_s > 0 and spec.kind != NORMAL:
        episodes.append(Episode(NORMAL, 0.0, spec.onset_s))
    start = 0.0 if spec.kind == NORMAL else max(spec.onset_s, 0.0)
    episodes.append(Episode(spec.kind, start, math.inf))
    episodes += [Episode(f"effect:{e.label}", max(e.start_s, 0.0), e.stop_s) for e in spec.effects]
    return episodes


def quantised(millivolts: npt.NDArray[np.floating], uv_per_lsb: float) -> npt.NDArray[np.int16]:
    """Millivolts as a device's integers; what does not fit is clipped to the converter's ends."""
    steps = np.rint(np.asarray(millivolts, np.float64) * (1000.0 / uv_per_lsb))
    return np.clip(steps, -32768, 32767).astype(np.int16)
