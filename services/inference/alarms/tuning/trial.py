"""One set of rules on one replay: the alarms it would have raised, against the truth.

Somebody acknowledges each alarm a fixed time after it began, since how long alarms last, and whether a condition
that comes back is news, depends on that.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.inference.alarms.alert import Alert
from services.inference.alarms.commands import Action, Command
from services.inference.alarms.rules import Rules, micros
from services.inference.alarms.terms import Cause, Kind, Transition
from services.inference.alarms.tuning.replay import Episode, Replay
from services.inference.alarms.ward import AlarmWard
from shared.sections import AlarmSettings

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """What a set of rules did. ``delays_s``: of detected episodes, from their start to the alarm.

    ``false_alarm_patients``: how many patients had at least one false alarm.
    """

    settings: AlarmSettings
    patients: int
    hours: float
    quiet_hours: float
    episodes: int
    delays_s: tuple[float, ...]
    true_alarms: int
    false_alarms: int
    alarm_hours: float
    false_alarm_patients: int = 0

    @property
    def sensitivity(self) -> float | None:
        """Share of episodes during which (or up to the tail after) an alarm called; None without episodes."""
        return len(self.delays_s) / self.episodes if self.episodes else None

    @property
    def false_per_hour(self) -> float:
        """False alarms per patient-hour without an infarction."""
        return self.false_alarms / self.quiet_hours if self.quiet_hours else float("inf") * bool(self.false_alarms)

    @property
    def burden(self) -> float:
        """Minutes in alarm per patient-day."""
        return self.alarm_hours * 60 / (self.hours / 24)

    def delay_s(self, share: float) -> float | None:
        """The time to detection that ``share`` of the detected episodes did not exceed."""
        return float(np.quantile(self.delays_s, share)) if self.delays_s else None

    def figures(self) -> dict[str, float | int | None]:
        """For a table and for JSON."""
        low, high = wilson(len(self.delays_s), self.episodes)
        return {
            "patients": self.patients,
            "patient_hours": self.hours,
            "episodes": self.episodes,
            "detected": len(self.delays_s),
            "sensitivity": self.sensitivity,
            "sensitivity_low": low,
            "sensitivity_high": high,
            "true_alarms": self.true_alarms,
            "false_alarms": self.false_alarms,
            "false_alarm_patients": self.false_alarm_patients,
            "false_alarms_per_patient_hour": self.false_per_hour,
            "time_to_detection_s_median": self.delay_s(0.5),
            "time_to_detection_s_p90": self.delay_s(0.9),
            "alarm_minutes_per_patient_day": self.burden,
        }


def wilson(found: int, of: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a share by Wilson's score; nothing is known of none."""
    if not of:
        return None, None
    z = 1.959964
    share, scale = found / of, 1 + z * z / of
    middle = share + z * z / (2 * of)
    spread = z * float(np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)))
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def trial(replay: Replay, settings: AlarmSettings, *, answer_s: float = 60.0, tail_s: float = 30.0) -> Result:
    """Play a replay under some rules. An alarm calls when it begins, comes back, or its evidence rises.

    A call up to ``tail_s`` after an episode still belongs to it (windows reach back, evidence takes time).
    Costs a few µs a window.
    """
    calls, spans_us = _play(replay, Rules.of(settings), micros(answer_s))
    truth: dict[bytes, list[Episode]] = defaultdict(list)
    for episode in replay.episodes:
        truth[episode.patient].append(episode)
    tail_us, delays, false, true, whose = micros(tail_s), [], 0, 0, set()
    for patient, times in calls.items():
        for time_us, begins in times:
            if any(e.start_us <= time_us <= e.stop_us + tail_us for e in truth[patient]):
                true += begins
            else:
                false += 1  # also where an alarm that is on already calls again
                whose.add(patient)
    for episode in replay.episodes:
        within = [t for t, _ in calls[episode.patient] if episode.start_us <= t <= episode.stop_us + tail_us]
        if within:
            delays.append((min(within) - episode.start_us) / 1e6)
    total_us, quiet_us = _watched(replay, truth)
    return Result(
        settings,
        replay.patients,
        total_us / _HOUR_US,
        quiet_us / _HOUR_US,
        len(replay.episodes),
        tuple(delays),
        true,
        false,
        spans_us / _HOUR_US,
        len(whose),
    )


def _watched(replay: Replay, truth: Mapping[bytes, list[Episode]]) -> tuple[int, int]:
    """Time watched, and the part of it that no episode holds."""
    total = sum(int(part.sum()) for part in replay.watched_us)
    sick = 0
    for windows, watched_us in zip(replay.steps, replay.watched_us, strict=True):
        for i, name in enumerate(windows.patient.tolist()):
            end = int(windows.end_us[i])
            if name in truth and any(e.start_us <= end <= e.stop_us for e in truth[name]):
                sick += int(watched_us[i])
    return total, total - sick


Calls = dict[bytes, list[tuple[int, bool]]]


def _play(replay: Replay, rules: Rules, answer_us: int) -> tuple[Calls, int]:
    """When each patient's alarms called (and whether one then began), and for how long alarms were on in all."""
    ward = AlarmWard(rules)
    calls: Calls = defaultdict(list)
    on: dict[str, int] = {}
    unanswered: dict[str, tuple[bytes, int]] = {}
    clock: dict[bytes, int] = {}
    spans_us = 0

    def hear(alerts: list[Alert] | tuple[Alert, ...]) -> None:
        nonlocal spans_us
        for alert in alerts:
            if alert.kind != Kind.MI.label:
                continue
            patient = alert.patient.encode()
            begins = alert.transition in {Transition.BEGAN, Transition.RECURRED}
            worse = alert.transition == Transition.ESCALATED and alert.cause == Cause.EVIDENCE
            if begins or worse:
                calls[patient].append((alert.time_us, begins))
                unanswered.setdefault(alert.alarm, (patient, alert.time_us + answer_us))
            if alert.transition == Transition.BEGAN:
                on[alert.alarm] = alert.time_us
            elif alert.transition == Transition.ENDED:
                spans_us += alert.time_us - on.pop(alert.alarm)
                unanswered.pop(alert.alarm, None)

    for step in replay.steps:
        clock.update(zip(step.patient.tolist(), step.end_us.tolist(), strict=True))
        hear(ward.apply(step))
        ready = [(alarm, patient) for alarm, (patient, due) in unanswered.items() if clock[patient] >= due]
        for alarm, patient in ready:
            del unanswered[alarm]
            asked = Command(alarm, Action.ACKNOWLEDGE, patient.decode(), "tuning", alarm=alarm)
            hear(ward.command(asked).alerts)
        ward.changed()
    for name, slot in ward.alarms():
        if slot.kind is Kind.MI:
            spans_us += clock[name] - on[slot.alarm.hex()]
    return calls, spans_us
