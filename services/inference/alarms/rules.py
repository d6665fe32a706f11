"""The rules in the units in which they are applied: microseconds, float32 thresholds, bit masks."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from services.inference.alarms.terms import NEVER_US, Kind, Priority
from shared.sections import AlarmSettings

# Columns of a record's bit histories; the newest window is bit 0.
LOW, MEDIUM, HIGH, BELOW, LEAD_OFF, LEAD_ON, POOR, GOOD = range(8)
HISTORIES = 8
PHYSIOLOGICAL = slice(LOW, BELOW + 1)
TECHNICAL = slice(LEAD_OFF, GOOD + 1)


@dataclass(frozen=True, slots=True)
class Course:
    """How an alarm of one kind runs once it has begun. Times in microseconds; `NEVER_US` where there is none."""

    latching: bool
    escalate_us: int
    escalations: int
    refractory_us: int
    latch_timeout_us: int


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Everything that decides over alarms; build it with `of`."""

    settings: AlarmSettings
    thresholds: np.ndarray[tuple[int], np.dtype[np.float32]]
    """Smoothed any-MI at which a window speaks for low, medium and high."""
    off: np.float32
    newest: np.float32
    """Weight of the newest window in the smoothed probabilities."""
    masks: np.ndarray[tuple[int], np.dtype[np.uint32]]
    """How much of each bit history counts."""
    gap_us: int
    margin: float
    floor: float
    courses: tuple[Course, ...]
    """By `Kind`."""

    @classmethod
    def of(cls, settings: AlarmSettings) -> Self:
        """The rules of validated settings."""
        s = settings
        lengths = [s.of_windows] * 3 + [s.off_windows] + [s.technical_of_windows, s.technical_off_windows] * 2
        latch_us = NEVER_US if s.latch_timeout_s is None else micros(s.latch_timeout_s)
        physiological = Course(True, micros(s.escalate_after_s), s.escalations, micros(s.refractory_s), latch_us)
        technical = Course(False, NEVER_US, 0, micros(s.technical_refractory_s), NEVER_US)
        return cls(
            settings=s,
            thresholds=np.array([s.low, s.medium, s.high], np.float32),
            off=np.float32(s.off),
            newest=np.float32(s.smoothing),
            masks=np.array([2**n - 1 for n in lengths], np.uint32),
            gap_us=micros(s.evidence_gap_s),
            margin=s.type_margin,
            floor=s.type_floor,
            courses=tuple(physiological if kind is Kind.MI else technical for kind in Kind),
        )


def micros(seconds: float) -> int:
    """Seconds as whole microseconds."""
    return round(seconds * 1_000_000)


TECHNICAL_PRIORITY = {
    Kind.LEAD_OFF: Priority.LOW,
    Kind.POOR_SIGNAL: Priority.LOW,
    Kind.STREAM_LOST: Priority.LOW,
    Kind.SYSTEM_SILENT: Priority.MEDIUM,
}
"""One patient without a signal is an errand; a whole source without one is a failure of the monitor."""
