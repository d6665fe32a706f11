"""Alarms over scored windows, pure: rules, a state machine and its state as bytes; docs/alarms.md has the rules.

Only `Liveness` (silent streams) is told a time; everything else runs on sample time.
"""

from services.inference.alarms.alert import Alert, AlertError
from services.inference.alarms.batch import apply_together
from services.inference.alarms.beds import Beds
from services.inference.alarms.commands import Action, Applied, Command, CommandError, Outcome
from services.inference.alarms.evidence import Scored
from services.inference.alarms.liveness import Known, Liveness, Silence
from services.inference.alarms.rules import Rules
from services.inference.alarms.standing import StateError
from services.inference.alarms.terms import Cause, Kind, Phase, Priority, Status, Transition
from services.inference.alarms.ward import AlarmWard

__all__ = [
    "Action",
    "AlarmWard",
    "Alert",
    "AlertError",
    "Applied",
    "Beds",
    "Cause",
    "Command",
    "CommandError",
    "Kind",
    "Known",
    "Liveness",
    "Outcome",
    "Phase",
    "Priority",
    "Rules",
    "Scored",
    "Silence",
    "StateError",
    "Status",
    "Transition",
    "apply_together",
]
