"""What one step of a shard's owner wants to keep. Pure values; `store` makes them last, all or none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from services.inference.commit.ids import after
from shared.position import ShardPosition, parse_id
from shared.sections import MonitorSettings
from shared.shards import latest_key, marks_key, parked_key, roster_key, silence_key, state_key

# A dead letter keeps the beginning of the entry: enough to see what sent it, not enough to fill Redis.
DEAD_LETTER_BYTES = 4096


class Kind(Enum):
    """What is kept of each patient, each kind in a hash of its own: a step writes only what changed.

    ``recovered``: whether a new owner needs it to go on; those come first, the others are for views.
    """

    MARK = (marks_key, True)
    STATE = (state_key, True)
    PARKED = (parked_key, True)
    SILENCE = (silence_key, True)
    ROSTER = (roster_key, True)
    LATEST = (latest_key, False)

    def __init__(self, key: Callable[[int], str], recovered: bool) -> None:
        self.key = key
        self.recovered = recovered


Values = Mapping[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Alert:
    """The message that an alarm began, escalated or ended. ``id`` follows from what it is about, see `alarms`."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry, or part of one, that could not be used. ``reason``: a fixed, countable word."""

    reason: str
    entry: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a step leads to.

    ``offset``, ``rewind``, ``command``: as in `shared.position.ShardPosition`. ``patients``: of each kind
    the changed patients only; None removes. ``counters``: what is added, integers only, so that the order
    of commits cannot matter. ``audit``: one entry for each command applied. ``trend``: of each patient the new
    points (`services.inference.commit.point`), one after the other.
    """

    offset: str
    rewind: str
    command: str
    patients: Mapping[Kind, Values] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    alerts: Sequence[Alert] = ()
    audit: Sequence[bytes] = ()
    dead: Sequence[DeadLetter] = ()
    trend: Mapping[bytes, bytes] = field(default_factory=dict)

    def check(self, committed: ShardPosition) -> None:
        """Refuse (`ValueError`: a fault in the program) facts that go back behind what is committed."""
        for what in ("offset", "rewind", "command"):
            old, new = getattr(committed, what), getattr(self, what)
            if parse_id(new) < parse_id(old):
                raise ValueError(f"{what} would go back from {old} to {new}")
        # One past the offset is where it stands when nothing is open; further on, entries would be skipped.
        if parse_id(self.rewind) > parse_id(after(self.offset)):
            raise ValueError(f"rewind {self.rewind} lies beyond what was read, {self.offset}")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept of what only grows. Exactly so long (dead letters: as alerts); of numbers a little more."""

    alerts_max: int
    alerts_keep_ms: int
    audit_max: int
    dead_letters_max: int
    trend_points: int = 240
    trend_keep_ms: int = 86_400_000
    audit_keep_ms: int = 30 * 86_400_000

    @classmethod
    def of(cls, settings: MonitorSettings) -> "Retention":
        """From the settings."""
        return cls(
            settings.alerts_max,
            round(settings.alerts_keep_s * 1000),
            settings.audit_max,
            settings.dead_letters_max,
            settings.trend_points,
            # A day, or as long as they show anything of the time that they are for.
            round(max(86_400, 2 * settings.trend_points * settings.trend_every_s) * 1000),
            round(settings.audit_keep_s * 1000),
        )
