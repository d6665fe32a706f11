"""Which type of infarction an alarm names, what else is close, and what a known finding covers.

A type is an index into `SCORE_NAMES`; the last one, any-MI, says "no type stands out".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.inference.alarms.terms import NEVER_US, Priority
from shared.labels import MI_CODES, SCORE_NAMES

UNSPECIFIED = len(MI_CODES)
EVERY_TYPE = 2 ** len(SCORE_NAMES) - 1


@dataclass(frozen=True, slots=True)
class Mute:
    """A known finding: these types (bits), up to this priority, until this sample time."""

    types: int
    ceiling: Priority
    until_us: int = NEVER_US


def leading(smoothed: Sequence[float], floor: float) -> int:
    """The likeliest of the nine types (of equals the first), or `UNSPECIFIED` where none reaches ``floor``."""
    best = max(range(UNSPECIFIED), key=smoothed.__getitem__)
    return best if smoothed[best] >= floor else UNSPECIFIED


def located(smoothed: Sequence[float], current: int, floor: float, margin: float) -> int:
    """The type of an alarm that was of type ``current``: another one must lead it by ``margin``.

    So two types that are close do not take turns. A type once named is not taken back for none.
    """
    best = leading(smoothed, floor)
    if best in {current, UNSPECIFIED}:
        return current
    known = floor if current == UNSPECIFIED else smoothed[current]
    return best if smoothed[best] >= known + margin else current


def close_to(smoothed: Sequence[float], type_: int, margin: float) -> tuple[int, ...]:
    """The other types that are less than ``margin`` below ``type_`` (or above it): the ones not told apart."""
    if type_ >= UNSPECIFIED:
        return ()
    return tuple(t for t in range(UNSPECIFIED) if t != type_ and smoothed[t] > smoothed[type_] - margin)


def covered(mute: Mute, level: Priority, smoothed: Sequence[float], floor: float, margin: float) -> bool:
    """Whether a finding is the known one: not above its ceiling, and its type (or one close to it) is named."""
    if level > mute.ceiling:
        return False
    best = leading(smoothed, floor)
    return any(mute.types >> t & 1 for t in (best, *close_to(smoothed, best, margin)))
