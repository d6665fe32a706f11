"""Where windows lie and when they close: exact integer arithmetic for one device rate.

Sample k of a session lies at k / rate. Window w starts at sample ``floor(w * stride * rate)``
and holds as many samples as ten seconds begin: ``ceil(10 s * rate)``. Rates are integer
millihertz and times integer microseconds, so no float decides anything.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt

from shared.frames import LEADS, MIN_RATE_MHZ
from shared.sections import WindowSettings

Integers = npt.NDArray[np.int64]

WINDOW_US = 10_000_000
# Buffers are this much longer than what open windows can span: longer frames are placed in pieces of this length.
SLACK_US = 2_000_000
# A start that is further ahead of its entry than this is a broken clock.
MAX_AHEAD_US = 300_000_000
# 95 years of samples; beyond it the products below would leave 64 bits.
MAX_SESSION_S = 3_000_000_000
_PER_SECOND = 10**9  # millihertz x microseconds in one sample


@dataclass(frozen=True, slots=True)
class Rules:
    """How windows are cut, in integers. ``lead`` is an index into `LEADS`; ``max_missing`` a share of a window."""

    lead: int = 0
    stride_us: int = 5_000_000
    lateness_us: int = 2_000_000
    max_missing: Fraction = Fraction(1, 10)
    park_after_ms: int = 60_000
    max_patients: int = 20_000

    @classmethod
    def of(cls, settings: WindowSettings) -> Self:
        """The rules that the settings ask for; decimal shares stay exact (0.1 is one tenth)."""
        return cls(
            lead=LEADS.index(settings.lead),
            stride_us=round(settings.stride_s * 1e6),
            lateness_us=round(settings.lateness_s * 1e6),
            max_missing=Fraction(str(settings.max_missing)),
            park_after_ms=round(settings.park_after_s * 1e3),
            max_patients=settings.max_patients,
        )

    @property
    def cells(self) -> int:
        """More windows than ever overlap one buffer, at any rate; rounding weighs most at the lowest."""
        buffer = _ceil_samples(WINDOW_US + self.lateness_us + SLACK_US, MIN_RATE_MHZ) + 3
        return buffer // max(1, self.stride_us * MIN_RATE_MHZ // _PER_SECOND - 1) + 4


@dataclass(frozen=True, slots=True)
class Geometry:
    """The windows of one device rate, in samples. Build it with `at`.

    ``samples``: of one window. ``lateness``: how far the high-water mark passes a window's end
    before it closes incomplete. ``limit``: samples that may be missing. ``piece``: most samples
    placed at once. ``buffer``: what one patient's ring must hold.
    """

    rate_mhz: int
    samples: int
    lateness: int
    limit: int
    piece: int
    _step: int  # stride x rate = _step / _parts, in lowest terms
    _parts: int

    @classmethod
    def at(cls, rate_mhz: int, rules: Rules) -> Self:
        """The geometry of ``rate_mhz`` under ``rules``."""
        stride = Fraction(rules.stride_us * rate_mhz, _PER_SECOND)
        samples = _ceil_samples(WINDOW_US, rate_mhz)
        return cls(
            rate_mhz=rate_mhz,
            samples=samples,
            lateness=_ceil_samples(rules.lateness_us, rate_mhz),
            limit=int(rules.max_missing * samples),
            piece=_ceil_samples(SLACK_US, rate_mhz),
            _step=stride.numerator,
            _parts=stride.denominator,
        )

    @property
    def buffer(self) -> int:
        """Open windows span less than a window and the lateness; one piece is placed beyond."""
        return self.samples + self.lateness + self.piece

    def start(self, window: int) -> int:
        """First sample of a window."""
        return window * self._step // self._parts

    def starts(self, windows: Integers) -> Integers:
        """First samples of windows; split so that nothing overflows within `MAX_SESSION_S`."""
        whole, part = divmod(self._step, self._parts)
        starts: Integers = windows * whole + windows * part // self._parts
        return starts

    def begun(self, high_water: int) -> int:
        """How many windows start before sample ``high_water``."""
        return -(-high_water * self._parts // self._step) if high_water > 0 else 0


def end_us(start_us: Integers, end: Integers, rate_mhz: int | Integers) -> Integers:
    """The time at which sample ``end`` of a session lies, Unix microseconds, rounded down."""
    seconds, rest = np.divmod(end * 1000, rate_mhz)
    time: Integers = start_us + seconds * 1_000_000 + rest * 1_000_000 // rate_mhz
    return time


def _ceil_samples(duration_us: int, rate_mhz: int) -> int:
    return -(-duration_us * rate_mhz // _PER_SECOND)
