"""One patient's alarms on one event: windows, passing time and people's commands, to a new standing and alerts.

Scalar and pure. The ward calls it only for the few patients with whom something can happen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.inference.alarms.alert import WITH_STRIP, Alert, alarm_id, alert_id
from services.inference.alarms.commands import CEILINGS, Action, Applied, Command, Outcome, type_bits
from services.inference.alarms.location import Mute, close_to, covered, leading, located
from services.inference.alarms.rules import TECHNICAL_PRIORITY, Rules, micros
from services.inference.alarms.slot import NO_TYPE, Finding, Moved, Slot, judge, move
from services.inference.alarms.standing import KINDS, Standing
from services.inference.alarms.terms import NEVER_US, Cause, Kind, Phase, Priority, Status, Transition, Trigger
from shared.labels import SCORE_NAMES
from shared.quality import Reason


@dataclass(frozen=True, slots=True)
class Moment:
    """Who and when an event is about, and what an alert of it should show.

    ``mark`` tells events of one window apart: a command's id, or the time of a tick. ``about``: what a system
    alarm is about. ``clock``: no window but the passing of time is what happened.
    """

    patient: bytes
    session: int
    window: int
    now_us: int
    smoothed: tuple[float, ...]
    scores: tuple[float, ...] | None = None
    quality: float | None = None
    reasons: int = 0
    model: str = ""
    mark: str = ""
    who: str = ""
    why: str = ""
    command: str = ""
    strip: bool = False
    about: str = ""
    clock: bool = False

    @property
    def place(self) -> tuple[bytes, int, int, int]:
        """What no other moment shares."""
        return self.patient, self.session, self.window, self.now_us


@dataclass(frozen=True, slots=True)
class Seen:
    """What a window says of one patient: a row of `Conditions`."""

    judged: bool
    seen: bool
    level: int
    gone: bool
    lead_off: bool
    lead_on: bool
    poor: bool
    good: bool


def on_window(standing: Standing, moment: Moment, seen: Seen | None, rules: Rules) -> tuple[Standing, list[Alert]]:
    """After a window (or, without ``seen``, after time has passed)."""
    alerts: list[Alert] = []
    mute = standing.mute
    if mute is not None and moment.now_us >= mute.until_us:
        standing = replace(standing, mute=None)
        alerts.append(_of_mute(moment, mute, Transition.UNMUTED, Cause.EXPIRED))
    findings = {} if seen is None else _findings(standing, moment.smoothed, seen, rules)
    for kind in KINDS:
        slot, finding = standing.slot(kind), findings.get(kind)
        if slot.phase is Phase.IDLE and (finding is None or not finding.level):
            continue
        alarm = slot.alarm if slot.active else alarm_id(*moment.place, kind)
        moves = judge(slot, finding, moment.now_us, rules.courses[kind], alarm)
        if moves:
            standing = standing.with_slot(moves[-1].slot)
            alerts.extend(announced(slot, moves, moment, rules))
    return standing, alerts


def _findings(standing: Standing, smoothed: Sequence[float], seen: Seen, rules: Rules) -> dict[Kind, Finding]:
    findings: dict[Kind, Finding] = {}
    if seen.judged:
        slot, level = standing.slot(Kind.MI), Priority(seen.level)
        if slot.active:
            type_ = located(smoothed, slot.type, rules.floor, rules.margin)
        else:
            type_ = leading(smoothed, rules.floor)
        muted = standing.mute is not None and covered(standing.mute, level, smoothed, rules.floor, rules.margin)
        findings[Kind.MI] = Finding(level, seen.gone, type_, muted)
    if seen.seen:
        for kind, here, gone in (
            (Kind.LEAD_OFF, seen.lead_off, seen.lead_on),
            (Kind.POOR_SIGNAL, seen.poor, seen.good),
        ):
            findings[kind] = Finding(TECHNICAL_PRIORITY[kind] if here else Priority.NONE, gone)
    return findings


def announced(before: Slot, moves: Sequence[Moved], moment: Moment, rules: Rules) -> list[Alert]:
    """The alerts of some moves of one slot. An alarm that ended is described as it last was."""
    alerts = []
    for slot, says, cause in moves:
        if says is not None:
            shown = before if slot.phase is Phase.IDLE else slot
            alerts.append(_alert(shown, slot.phase, says, cause, moment, rules))
        before = slot
    return alerts


def _alert(slot: Slot, phase: Phase, says: Transition, cause: Cause, moment: Moment, rules: Rules) -> Alert:
    close = close_to(moment.smoothed, slot.type, rules.margin) if moment.smoothed and slot.kind is Kind.MI else ()
    return Alert(
        id=alert_id(*moment.place, slot.kind, says, moment.mark),
        alarm=slot.alarm.hex(),
        patient=moment.patient.decode(),
        kind=slot.kind.label,
        transition=says.value,
        cause=cause.value,
        phase=phase.label,
        priority=slot.priority.label,
        type="" if slot.type == NO_TYPE else SCORE_NAMES[slot.type],
        time_us=moment.now_us,
        began_us=slot.began_us,
        session=moment.session,
        window=moment.window,
        close=tuple(SCORE_NAMES[t] for t in close),
        scores=moment.scores,
        evidence=moment.smoothed or None,
        quality=moment.quality,
        reasons=(moment.about,) if moment.about else tuple(r.label for r in Reason if moment.reasons & r),
        model=moment.model,
        who=moment.who,
        why=moment.why,
        command=moment.command,
        strip=moment.strip and says in WITH_STRIP,
        clock=moment.clock,
    )


def _of_mute(moment: Moment, mute: Mute, says: Transition, cause: Cause) -> Alert:
    """An alert about the patient's known finding rather than an alarm."""
    return Alert(
        id=alert_id(*moment.place, Kind.MI, says, moment.mark),
        alarm="",
        patient=moment.patient.decode(),
        kind=Kind.MI.label,
        transition=says.value,
        cause=cause.value,
        phase=Phase.IDLE.label,
        priority=mute.ceiling.label,
        type=",".join(name for t, name in enumerate(SCORE_NAMES) if mute.types >> t & 1),
        time_us=moment.now_us,
        began_us=moment.now_us,
        session=moment.session,
        window=moment.window,
        evidence=moment.smoothed or None,
        model=moment.model,
        who=moment.who,
        why=moment.why,
        command=moment.command,
        clock=moment.clock,
    )


def on_command(standing: Standing, moment: Moment, command: Command, rules: Rules) -> tuple[Standing, Applied]:
    """After a command for a patient who is known. Never raises: what cannot be done has its outcome."""
    match command.action:
        case Action.ADMIT | Action.STANDBY | Action.DISCHARGE:
            return _move_patient(standing, moment, _STATUS[command.action], rules)
        case _ if standing.status is Status.DISCHARGED:
            return standing, Applied(Outcome.UNKNOWN_PATIENT)
        case Action.MUTE:
            return _mute(standing, moment, command, rules)
        case Action.UNMUTE:
            if standing.mute is None:
                return standing, Applied(Outcome.ALREADY)
            alert = _of_mute(moment, standing.mute, Transition.UNMUTED, Cause.PERSON)
            return replace(standing, mute=None), Applied(Outcome.APPLIED, (alert,))
        case Action.ACKNOWLEDGE | Action.END:
            for slot in standing.slots:
                if slot.alarm.hex() == command.alarm:
                    after, applied = answer(slot, moment, command.action, rules)
                    return standing.with_slot(after), applied
            return standing, Applied(Outcome.NOT_ACTIVE)
        case Action.DEVICE:  # kept elsewhere: nothing about alarms follows from it
            return standing, Applied(Outcome.ALREADY)


_STATUS: Mapping[Action, Status] = {
    Action.ADMIT: Status.ADMITTED,
    Action.STANDBY: Status.STANDBY,
    Action.DISCHARGE: Status.DISCHARGED,
}


def answer(slot: Slot, moment: Moment, action: Action, rules: Rules) -> tuple[Slot, Applied]:
    """A person acknowledges or ends the alarm of ``slot``."""
    trigger, cause = (
        (Trigger.ACKNOWLEDGE, Cause.ACKNOWLEDGED) if action is Action.ACKNOWLEDGE else (Trigger.END, Cause.PERSON)
    )
    moved = move(slot, trigger, cause, moment.now_us, rules.courses[slot.kind])
    if moved is None:
        refusal = Outcome.ALREADY if slot.phase is Phase.ACKNOWLEDGED else Outcome.NOT_ACTIVE
        return slot, Applied(refusal)
    return moved.slot, Applied(Outcome.APPLIED, tuple(announced(slot, [moved], moment, rules)))


def _mute(standing: Standing, moment: Moment, command: Command, rules: Rules) -> tuple[Standing, Applied]:
    slot = standing.slot(Kind.MI)
    types, ceiling = type_bits(command.types), CEILINGS.get(command.ceiling, Priority.MEDIUM)
    if slot.active:
        if not command.types:
            types = sum(1 << t for t in (slot.type, *close_to(moment.smoothed, slot.type, rules.margin)))
        if not command.ceiling:
            ceiling = slot.level
    until_us = NEVER_US if command.for_s is None else moment.now_us + micros(command.for_s)
    mute = Mute(types, ceiling, until_us)
    alerts = [_of_mute(moment, mute, Transition.MUTED, Cause.PERSON)]
    standing = replace(standing, mute=mute)
    if slot.active and slot.level <= ceiling and types >> slot.type & 1:
        moved = move(slot, Trigger.MUTE, Cause.MUTED, moment.now_us, rules.courses[Kind.MI])
        if moved is not None:
            standing = standing.with_slot(moved.slot)
            alerts += announced(slot, [moved], moment, rules)
    return standing, Applied(Outcome.APPLIED, tuple(alerts))


def _move_patient(standing: Standing, moment: Moment, status: Status, rules: Rules) -> tuple[Standing, Applied]:
    if status is standing.status:
        return standing, Applied(Outcome.ALREADY)
    if status is Status.STANDBY and standing.status is Status.DISCHARGED:
        return standing, Applied(Outcome.UNKNOWN_PATIENT)
    cause = Cause.DISCHARGED if status is Status.DISCHARGED else Cause.STANDBY
    alerts: list[Alert] = []
    for slot in standing.slots:  # nobody who is admitted has left before: those have none
        moved = move(slot, Trigger.LEAVE, cause, moment.now_us, rules.courses[slot.kind])
        if moved is not None:
            alerts += announced(slot, [moved], moment, rules)
    mute = standing.mute
    if mute is not None and status is Status.DISCHARGED:
        alerts.append(_of_mute(moment, mute, Transition.UNMUTED, cause))
        mute = None
    return Standing(status, mute), Applied(Outcome.APPLIED, tuple(alerts))
