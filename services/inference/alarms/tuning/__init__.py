"""Choosing rules on scored replays: play them to a ward, count what came of it, pick by a stated target."""

from services.inference.alarms.tuning.replay import Episode, Replay, ReplayError
from services.inference.alarms.tuning.sweep import Target, pick, rule_sets
from services.inference.alarms.tuning.trial import Result, trial

__all__ = ["Episode", "Replay", "ReplayError", "Result", "Target", "pick", "rule_sets", "trial"]
