"""The limits of the gate, one place, with units.

They were set on even-numbered records of CinC 2017 and on PTB-XL's lead I; the figures in docs/signal.md are
from the odd-numbered records.
"""

from dataclasses import dataclass, fields

from shared.errors import SelfmisError


@dataclass(frozen=True)
class Limits:
    """What each measure may reach alone; all must be positive.

    The first four are facts that stand alone. The rest are evidence that adds up (root of the sum of squares
    of measure over limit), so that several half-faults refuse a window which no single one would.
    """

    missing: float = 0.10
    """Largest share of the window's samples that were absent (and interpolated)."""
    stuck: float = 0.20
    """Largest share of half-seconds in which the signal does not move by 2 µV: an electrode that hangs free."""
    amplitude_mv: float = 0.08
    """Smallest peak-to-peak of a typical second after the band-pass; flatter is asystole or poor contact."""
    clipped: float = 0.01
    """Largest share of samples resting on the window's own highest or lowest value."""

    baseline: float = 8.0
    """Largest spread of the one-second means (one standard deviation), in typical peak-to-peaks."""
    artefact: float = 11.0
    """Largest ratio between the strongest second and the second weakest, in the band of the QRS complex."""
    high_frequency: float = 0.10
    """Largest noise above about 20 Hz between the beats (r.m.s.), in typical peak-to-peaks."""
    min_beats: float = 3.0
    """Fewest beats in ten seconds: below 18 a minute there is no rhythm to judge."""
    between: float = 0.31
    """Largest height between the beats over that of the beats: more, and nothing stands out as a beat."""
    rate_bpm: float = 220.0
    """Highest median heart rate."""
    rr_spread: float = 1.3
    """Largest standard deviation of the RR intervals over their mean; atrial fibrillation stays below 0.5."""
    disagreement: float = 0.57
    """Largest share of beats that only one of the two detectors saw."""
    template: float = 0.64
    """Largest distance (1 − correlation) of the median beat from the window's mean beat."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise SelfmisError(f"quality limit {field.name} = {getattr(self, field.name)} must be above zero")
