"""The words of alarms: kinds, priorities, phases, and what moves an alarm from one phase to the next.

Numbers are part of the committed state and never change; labels are part of alerts and metrics.
"""

from enum import IntEnum, StrEnum
from typing import Final

NEVER_US: Final = 2**62
"""A time that does not come."""
UNSEEN_US: Final = -(2**61)
"""A time before every sample."""


class Kind(IntEnum):
    """What an alarm is about. ``MI`` is the one physiological kind; the others are technical."""

    MI = 0
    LEAD_OFF = 1
    POOR_SIGNAL = 2
    STREAM_LOST = 3
    SYSTEM_SILENT = 4

    @property
    def label(self) -> str:
        """The name in alerts and metrics, such as ``lead_off``."""
        return self.name.lower()


class Priority(IntEnum):
    """How urgent an alarm is; as a level of evidence, `NONE` is no finding."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """The name in alerts and metrics."""
        return self.name.lower()


class Phase(IntEnum):
    """Where an alarm stands; docs/alarms.md says what each means."""

    IDLE = 0
    RAISED = 1
    LATCHED = 2
    ACKNOWLEDGED = 3
    REFRACTORY = 4

    @property
    def label(self) -> str:
        """The name in views and documents."""
        return self.name.lower()


ACTIVE: Final = frozenset({Phase.RAISED, Phase.LATCHED, Phase.ACKNOWLEDGED})


class Trigger(StrEnum):
    """What can move an alarm. The first four are judged on a window, the fifth on time, the rest are people's."""

    PRESENT = "present"
    WORSE = "worse"
    RETYPED = "retyped"
    GONE = "gone"
    DUE = "due"
    ACKNOWLEDGE = "acknowledge"
    END = "end"
    MUTE = "mute"
    LEAVE = "leave"


class Transition(StrEnum):
    """What an alert announces."""

    BEGAN = "began"
    RECURRED = "recurred"
    ESCALATED = "escalated"
    UPDATED = "updated"
    CLEARED = "cleared"
    ACKNOWLEDGED = "acknowledged"
    ENDED = "ended"
    MUTED = "muted"
    UNMUTED = "unmuted"


class Cause(StrEnum):
    """Why it happened."""

    EVIDENCE = "evidence"
    UNACKNOWLEDGED = "unacknowledged"
    CONDITION_GONE = "condition_gone"
    TIMEOUT = "timeout"
    ACKNOWLEDGED = "acknowledged"
    PERSON = "person"
    MUTED = "muted"
    STANDBY = "standby"
    DISCHARGED = "discharged"
    EXPIRED = "expired"


class Status(IntEnum):
    """Whether a patient is watched. In standby and after discharge windows are counted but nothing alarms."""

    ADMITTED = 0
    STANDBY = 1
    DISCHARGED = 2

    @property
    def label(self) -> str:
        """The name in views and metrics."""
        return self.name.lower()
