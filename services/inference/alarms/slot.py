"""One alarm of one patient, and the machine that moves it: pure, scalar, driven by the table."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from services.inference.alarms.rules import Course
from services.inference.alarms.table import table
from services.inference.alarms.terms import ACTIVE, NEVER_US, Cause, Kind, Phase, Priority, Transition, Trigger

NO_TYPE = 255
"""The type of a technical alarm."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one kind of alarm. A slot that never held one, or holds none any more, is ``Slot(kind)``.

    ``priority`` is what people are shown and never falls while an alarm lasts; ``level`` is the most the
    evidence alone has reached. ``type`` indexes `SCORE_NAMES`. ``due_us`` is when time itself does something:
    escalates, times out, or ends the refractory time.
    """

    kind: Kind
    phase: Phase = Phase.IDLE
    priority: Priority = Priority.NONE
    level: Priority = Priority.NONE
    type: int = NO_TYPE
    escalations: int = 0
    due_us: int = NEVER_US
    began_us: int = 0
    alarm: bytes = bytes(16)

    @property
    def active(self) -> bool:
        """Whether somebody should look."""
        return self.phase in ACTIVE


@dataclass(frozen=True, slots=True)
class Finding:
    """What the newest window says about one kind: the level of evidence, whether it is gone, and the type.

    ``type`` takes the alarm's own type into account, see `typing`. ``muted``: a known finding covers it.
    """

    level: Priority
    gone: bool
    type: int = NO_TYPE
    muted: bool = False


class Moved(NamedTuple):
    """A transition that happened: the slot after it, what it announces and why."""

    slot: Slot
    says: Transition | None
    cause: Cause


def judge(slot: Slot, finding: Finding | None, now_us: int, course: Course, alarm: bytes) -> list[Moved]:
    """All moves of one slot on one event at ``now_us``; the last one's slot is what to keep.

    ``finding`` is None where the event says nothing about this kind: then only time can move it. ``alarm`` names
    the alarm that may begin. A transition occurs at most once, which is what makes alert ids unique.
    """
    moves: list[Moved] = []

    def fire(trigger: Trigger, cause: Cause) -> None:
        nonlocal slot
        moved = move(slot, trigger, cause, now_us, course, finding, alarm)
        if moved is not None:
            moves.append(moved)
            slot = moved.slot

    if slot.phase is Phase.REFRACTORY and now_us >= slot.due_us:
        fire(Trigger.DUE, Cause.TIMEOUT)
    if finding is not None:
        trigger = condition(slot, finding)
        if trigger is not None:
            fire(trigger, Cause.CONDITION_GONE if trigger is Trigger.GONE else Cause.EVIDENCE)
        elif slot.phase is Phase.RAISED and finding.level > slot.level:
            # Time had raised the priority further already: known, but nothing new to say.
            slot = replace(slot, level=finding.level)
            moves.append(Moved(slot, None, Cause.EVIDENCE))
    if slot.phase in {Phase.RAISED, Phase.LATCHED} and now_us >= slot.due_us:
        fire(Trigger.DUE, Cause.UNACKNOWLEDGED if slot.phase is Phase.RAISED else Cause.TIMEOUT)
    return moves


def not_beyond(slot: Slot, now_us: int, course: Course) -> Slot:
    """The slot with what time will do no further off than it can be from now: the clock may have been set back."""
    spans = {
        Phase.RAISED: course.escalate_us,
        Phase.LATCHED: course.latch_timeout_us,
        Phase.REFRACTORY: course.refractory_us,
    }
    span = spans.get(slot.phase, NEVER_US)
    if NEVER_US in (span, slot.due_us) or slot.due_us <= now_us + span:
        return slot
    return replace(slot, due_us=now_us + span)


def condition(slot: Slot, finding: Finding) -> Trigger | None:
    """The one trigger that a finding pulls, if any."""
    match slot.phase:
        case Phase.IDLE:
            return Trigger.PRESENT if finding.level and not finding.muted else None
        case Phase.REFRACTORY:
            return Trigger.WORSE if finding.level > slot.level and not finding.muted else None
        case Phase.LATCHED:
            return Trigger.PRESENT if finding.level else None
        case Phase.RAISED | Phase.ACKNOWLEDGED:
            known = slot.priority if slot.phase is Phase.RAISED else slot.level
            if finding.level > known:
                return Trigger.WORSE
            if finding.gone:
                return Trigger.GONE
            return Trigger.RETYPED if finding.type != slot.type else None


def move(
    slot: Slot,
    trigger: Trigger,
    cause: Cause,
    now_us: int,
    course: Course,
    finding: Finding | None = None,
    alarm: bytes = bytes(16),
) -> Moved | None:
    """What one trigger does; None where the table has nothing for it."""
    step = table(course.latching).get((slot.phase, trigger))
    if step is None:
        return None
    to, says = step
    level = finding.level if finding is not None else Priority.NONE
    kind = finding.type if finding is not None else slot.type
    later = now_us + course.escalate_us if course.escalations and course.escalate_us < NEVER_US else NEVER_US
    if to is Phase.IDLE:
        after = Slot(slot.kind)
    elif says is Transition.BEGAN:
        after = Slot(slot.kind, to, level, level, kind, 0, later, now_us, alarm)
    elif to is Phase.REFRACTORY:
        after = replace(slot, phase=to, due_us=now_us + course.refractory_us)
    elif to is Phase.LATCHED:
        due = NEVER_US if course.latch_timeout_us >= NEVER_US else now_us + course.latch_timeout_us
        after = replace(slot, phase=to, due_us=due)
    elif to is Phase.ACKNOWLEDGED:
        after = replace(slot, phase=to, type=kind, due_us=NEVER_US)
    elif trigger is Trigger.DUE:
        count = slot.escalations + 1
        after = replace(
            slot,
            priority=Priority(min(slot.priority + 1, Priority.HIGH)),
            escalations=count,
            due_us=later if count < course.escalations else NEVER_US,
        )
    elif trigger is Trigger.RETYPED:
        after = replace(slot, type=kind)
    else:  # worse, or back again: it counts as new to whoever has not acknowledged it
        after = replace(
            slot,
            phase=to,
            priority=max(slot.priority, level),
            level=max(slot.level, level),
            type=kind,
            escalations=0,
            due_us=later,
        )
    return Moved(after, says, cause)
