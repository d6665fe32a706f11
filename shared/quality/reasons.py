"""Why a window is refused: one bit a reason, in order of priority, with names that metrics may rely on."""

import enum


class Reason(enum.IntFlag):
    """What is wrong with a window. Of several the first is the main one; bits and labels never change."""

    MISSING = 1 << 0
    LEAD_OFF = 1 << 1
    FLAT = 1 << 2
    CLIPPED = 1 << 3
    BASELINE = 1 << 4
    ARTEFACT = 1 << 5
    HIGH_FREQUENCY = 1 << 6
    NO_BEATS = 1 << 7
    IMPLAUSIBLE_RATE = 1 << 8
    DISAGREEMENT = 1 << 9
    IRREGULAR_TEMPLATE = 1 << 10

    @property
    def label(self) -> str:
        """The name in metrics and the API, such as ``lead_off``; only for a single reason."""
        if self.name is None or self.bit_count() != 1:
            raise ValueError(f"{self!r} is not a single reason")
        return self.name.lower()


REASONS: tuple[Reason, ...] = tuple(Reason)
"""All reasons, first priority first; column i of `Quality.excess` belongs to ``REASONS[i]``."""

FACTS = 4
"""The first four reasons are facts, each enough by itself; the others are evidence that adds up."""

REASON_LABELS: tuple[str, ...] = tuple(reason.label for reason in REASONS)
