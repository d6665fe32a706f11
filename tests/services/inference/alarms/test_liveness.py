"""Silence: one patient's, a whole source's, and the monitor's own, which is nobody's."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.inference.alarms import Action, Alert, Applied, Command, Liveness, Outcome, StateError
from tests.services.inference.alarms.events import small_rules, told

RULES = small_rules(stream_lost_s=10.0, gather_s=2.0, system_patients=3)
WARD = ("ada", "ben", "cleo", "dora")
OTHERS = ("eve", "fay", "gil")


def seconds(s: float) -> int:
    return round(s * 1e6)


def hear(liveness: Liveness, at_s: float, names: Sequence[str] = WARD, session: int = 7) -> list[Alert]:
    """Frames of ``names``, whose own time runs 1000 s ahead of the log."""
    sample = np.full(len(names), seconds(at_s + 1000))
    sessions = np.full(len(names), session, np.uint64)
    return liveness.heard([name.encode() for name in names], sessions, sample, seconds(at_s))


def check(liveness: Liveness, at_s: float) -> list[Alert]:
    return list(liveness.check(seconds(at_s)).alerts)


def ask(liveness: Liveness, action: Action, at_s: float, alarm: str = "0" * 32, patient: str = "ada") -> Applied:
    return liveness.command(Command(f"{at_s}-0", action, patient, "nurse", alarm=alarm), seconds(at_s))


@pytest.fixture
def ward() -> Liveness:
    """Four patients of one source, heard at 0 s; the others still at 11 s and 15 s, ada no more."""
    liveness = Liveness(RULES)
    hear(liveness, 0)
    hear(liveness, 11, WARD[1:])
    return liveness


def test_a_silent_patient_alarms_after_the_time_set_and_once(ward: Liveness) -> None:
    assert check(ward, 12) == []
    assert told(check(ward, 12.1)) == [("stream_lost", "began", "low")]
    assert check(ward, 13) == []


def test_the_alarm_ends_when_the_patient_is_heard_again(ward: Liveness) -> None:
    check(ward, 13)
    assert [(a.patient, a.transition, a.cause) for a in hear(ward, 14)] == [("ada", "ended", "condition_gone")]


def test_a_whole_source_that_falls_silent_is_one_alarm() -> None:
    liveness = Liveness(RULES)
    hear(liveness, 0)
    assert [(a.kind, a.transition, a.patient) for s in range(40) for a in check(liveness, s)] == [
        ("system_silent", "began", "")
    ]


def test_one_of_two_sources_that_falls_silent_is_one_alarm_named_by_its_session() -> None:
    liveness = Liveness(RULES)
    hear(liveness, 0)
    hear(liveness, 0, OTHERS, session=8)
    hear(liveness, 9, WARD)
    hear(liveness, 14, WARD)
    assert [(a.kind, a.session) for a in check(liveness, 15)] == [("system_silent", 8)]


def test_when_a_source_returns_its_alarm_ends_and_who_stays_away_gets_an_own_one() -> None:
    liveness = Liveness(RULES)
    hear(liveness, 0)
    check(liveness, 15)
    assert told(hear(liveness, 20, WARD[1:])) == [("system_silent", "ended", "medium")]
    assert check(liveness, 21) == []
    hear(liveness, 30, WARD[1:])
    assert [(a.patient, a.kind) for a in check(liveness, 32.5)] == [("ada", "stream_lost")]


def test_too_few_patients_are_no_source() -> None:
    liveness = Liveness(RULES)
    hear(liveness, 0, WARD[:2])
    assert told(check(liveness, 13)) == [("stream_lost", "began", "low")] * 2


def test_a_pause_of_the_monitor_is_nobodys_silence() -> None:
    liveness = Liveness(RULES)
    hear(liveness, 0)
    hear(liveness, 100)  # woken up: first the log is read to its end, then checked
    assert check(liveness, 100.5) == []


def test_a_new_owner_gives_everybody_the_full_time() -> None:
    liveness = Liveness(RULES, seconds(50), [(name.encode(), True) for name in WARD])
    assert check(liveness, 59) == []
    assert told(check(liveness, 61)) == [("system_silent", "began", "medium")]


def test_an_alarm_that_a_person_ended_does_not_come_back_before_the_patient_does(ward: Liveness) -> None:
    (alert,) = check(ward, 13)
    assert ask(ward, Action.END, 14, alert.alarm).outcome is Outcome.APPLIED
    assert [a for s in range(15, 20) for a in check(ward, s)] == []
    hear(ward, 31)
    hear(ward, 44, WARD[1:])
    assert [a.patient for a in check(ward, 45)] == ["ada"]


def test_silence_can_be_acknowledged_and_then_ends_with_the_first_frame(ward: Liveness) -> None:
    (alert,) = check(ward, 13)
    assert told(ask(ward, Action.ACKNOWLEDGE, 14, alert.alarm).alerts) == [("stream_lost", "acknowledged", "low")]
    assert ask(ward, Action.ACKNOWLEDGE, 14, alert.alarm).outcome is Outcome.ALREADY
    assert told(hear(ward, 15)) == [("stream_lost", "ended", "low")]


def test_a_system_alarm_is_acknowledged_without_a_patient() -> None:
    liveness = Liveness(RULES)
    hear(liveness, 0)
    (alert,) = check(liveness, 13)
    assert ask(liveness, Action.ACKNOWLEDGE, 14, alert.alarm, "").outcome is Outcome.APPLIED


def test_another_patients_alarm_cannot_be_answered(ward: Liveness) -> None:
    (alert,) = check(ward, 13)
    assert ask(ward, Action.ACKNOWLEDGE, 14, alert.alarm, "ben").outcome is Outcome.NOT_ACTIVE


@pytest.mark.parametrize("action", [Action.STANDBY, Action.DISCHARGE])
def test_who_leaves_is_not_missed(ward: Liveness, action: Action) -> None:
    check(ward, 13)
    assert [a.transition for a in ask(ward, action, 14).alerts] == ["ended"]
    assert check(ward, 20) == []


def test_who_is_admitted_again_has_the_full_time(ward: Liveness) -> None:
    ask(ward, Action.STANDBY, 1)
    ask(ward, Action.ADMIT, 15)
    hear(ward, 20, WARD[1:])
    assert check(ward, 26) == []
    assert [a.patient for a in check(ward, 27.5)] == ["ada"]


def test_the_time_of_a_lost_patient_goes_on_by_the_clock(ward: Liveness) -> None:
    assert ward.check(seconds(13)).lost == ((b"ada", seconds(1013)),)


def test_state_moves_to_a_new_owner(ward: Liveness) -> None:
    (alert,) = check(ward, 13)
    states = ward.changed()
    assert ward.changed() == {}
    kept = [(key, state) for key, state in states.items() if state is not None]
    again = Liveness(RULES, seconds(20), [(name.encode(), True) for name in WARD], kept)
    hear(again, 30, WARD[1:])
    assert check(again, 33) == []
    assert ask(again, Action.ACKNOWLEDGE, 34, alert.alarm).outcome is Outcome.APPLIED


def test_state_that_is_no_longer_needed_is_removed(ward: Liveness) -> None:
    check(ward, 13)
    hear(ward, 14)
    check(ward, 60)
    assert ward.changed()[b"ada"] is None


def test_who_is_forgotten_is_not_missed(ward: Liveness) -> None:
    check(ward, 13)
    ward.forget([b"ada", b"nobody"])
    assert ward.changed() == {b"ada": None}
    assert check(ward, 14) == []
    assert list(ward.alarms()) == []


def test_no_two_alerts_share_an_id() -> None:
    liveness = Liveness(RULES)
    alerts: list[Alert] = []
    for round_ in range(6):
        at = 40 * round_
        alerts += hear(liveness, at)
        alerts += hear(liveness, at + 11, WARD[1:])
        for s in (13, 20, 28, 35):
            alerts += check(liveness, at + s)
    ids = [a.id for a in alerts]
    assert len(set(ids)) == len(ids) > 12


@pytest.mark.parametrize("state", [b"", b"\x02\x01", b"\x01\x01" + b"\x09" * 40, b"\x01\x01" + bytes(40)])
def test_state_of_another_program_is_refused(state: bytes) -> None:
    with pytest.raises(StateError):
        Liveness(RULES, states=[(b"ada", state)])
