"""Frames to windows, pure: no Redis, no Ray, no clock but the ids of stream entries.

docs/windows.md has the rules.
"""

from services.inference.windows.cut import WINDOW, Block, Cut, Outcome
from services.inference.windows.cutter import Cutter, Step, cut_together
from services.inference.windows.heard import Heard
from services.inference.windows.parked import ParkedError
from services.inference.windows.rules import Rules
from services.inference.windows.ward import Ward

__all__ = [
    "WINDOW",
    "Block",
    "Cut",
    "Cutter",
    "Heard",
    "Outcome",
    "ParkedError",
    "Rules",
    "Step",
    "Ward",
    "cut_together",
]
