"""The quality gate over windows; see `shared.quality.gate`."""

from shared.quality.contact import clipped_share, typical_height
from shared.quality.gate import Quality, assess
from shared.quality.limits import Limits
from shared.quality.polarity import is_upside_down, upside_down
from shared.quality.reasons import REASON_LABELS, REASONS, Reason

__all__ = [
    "REASONS",
    "REASON_LABELS",
    "Limits",
    "Quality",
    "Reason",
    "assess",
    "clipped_share",
    "is_upside_down",
    "typical_height",
    "upside_down",
]
