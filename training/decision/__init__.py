"""Calibration and thresholds of a model: what turns its logits into decisions, from validation records alone."""

from training.decision.calibrate import calibrate, probabilities
from training.decision.record import DECISION, Decision, decide, read_decision, write_decision
from training.decision.threshold import DecisionError, Rule, thresholds

__all__ = [
    "DECISION",
    "Decision",
    "DecisionError",
    "Rule",
    "calibrate",
    "decide",
    "probabilities",
    "read_decision",
    "thresholds",
    "write_decision",
]
