"""Technical alarms, and patients who are not watched."""

import pytest

from services.inference.alarms import Action, Outcome, Status
from tests.services.inference.alarms.events import Ask, Player, Window, player, told

SICK, WELL = Window(0.6), Window(0.1)
OFF, POOR, EMPTY = Window(signal="lead_off"), Window(signal="poor"), Window(signal="empty")


@pytest.mark.parametrize(("bad", "kind"), [(OFF, "lead_off"), (POOR, "poor_signal")])
def test_m_of_n_windows_raise_it_and_good_ones_end_it(bad: Window, kind: str) -> None:
    played = player(technical_windows=2, technical_of_windows=3)
    assert told(played.windows(bad, WELL, bad)) == [(kind, "began", "low")]
    assert told(played.windows(WELL, bad, WELL, WELL)) == [(kind, "ended", "low")]


def test_a_lead_that_is_off_is_not_also_poor_signal() -> None:
    assert told(player().windows(OFF, OFF, OFF)) == [("lead_off", "began", "low")]


def test_windows_without_any_sample_say_nothing_of_the_signal() -> None:
    assert player().windows(*[EMPTY] * 10) == []


def test_an_alert_at_a_window_that_was_not_judged_says_nothing_of_its_quality() -> None:
    """An MI alarm that escalates in a gap: the gate was not asked, and JSON knows no NaN."""
    played = player(escalate_after_s=15.0)
    played.windows(SICK)
    said = played.windows(*[EMPTY] * 5)
    assert told(said)[0][:2] == ("mi", "escalated")
    assert said[0].quality is None
    assert b"NaN" not in said[0].to_json()


def test_technical_alarms_do_not_latch_and_do_not_escalate() -> None:
    played = player()
    assert told(played.windows(*[POOR] * 30, WELL, WELL)) == [
        ("poor_signal", "began", "low"),
        ("poor_signal", "ended", "low"),
    ]


def test_a_lead_that_falls_off_leaves_the_mi_alarm_as_it_is() -> None:
    played = player()
    played.windows(SICK, OFF, OFF, OFF)
    assert {slot.kind.label for _, slot in played.ward.alarms()} == {"mi", "lead_off"}


def standing_by(action: Action) -> Player:
    """A patient in alarm who was then taken off the monitor."""
    played = player()
    played.windows(SICK, OFF)
    played.ask(Ask(action))
    return played


@pytest.mark.parametrize(("action", "cause"), [(Action.STANDBY, "standby"), (Action.DISCHARGE, "discharged")])
def test_who_leaves_has_no_alarms(action: Action, cause: str) -> None:
    played = standing_by(action)
    assert [(a.kind, a.transition, a.cause) for a in played.alerts[2:]] == [
        ("mi", "ended", cause),
        ("lead_off", "ended", cause),
    ]
    assert played.windows(*[SICK] * 5, OFF, OFF) == []


def test_who_comes_back_begins_with_fresh_evidence() -> None:
    played = player(on_windows=2, of_windows=2)
    played.windows(SICK)
    played.ask(Ask(Action.STANDBY))
    played.windows(SICK, SICK)
    played.ask(Ask(Action.ADMIT))
    assert played.windows(SICK) == []
    assert told(played.windows(SICK)) == [("mi", "began", "low")]


def test_a_mute_survives_standby_but_not_discharge() -> None:
    played = player()
    played.windows(SICK)
    for action in (Action.MUTE, Action.STANDBY, Action.ADMIT):
        played.ask(Ask(action))
    assert played.windows(SICK, SICK) == []
    assert [a.transition for a in played.ask(Ask(Action.DISCHARGE)).alerts] == ["unmuted"]


@pytest.mark.parametrize(
    ("first", "then", "outcome"),
    [
        (Action.ADMIT, Action.ADMIT, Outcome.ALREADY),
        (Action.STANDBY, Action.STANDBY, Outcome.ALREADY),
        (Action.STANDBY, Action.ADMIT, Outcome.APPLIED),
        (Action.DISCHARGE, Action.STANDBY, Outcome.UNKNOWN_PATIENT),
        (Action.DISCHARGE, Action.MUTE, Outcome.UNKNOWN_PATIENT),
        (Action.DISCHARGE, Action.ADMIT, Outcome.APPLIED),
        (Action.ADMIT, Action.ACKNOWLEDGE, Outcome.NOT_ACTIVE),
    ],
)
def test_every_command_has_an_outcome(first: Action, then: Action, outcome: Outcome) -> None:
    played = player()
    played.windows(WELL)
    played.ask(Ask(first))
    assert played.ask(Ask(then)).outcome is outcome


@pytest.mark.parametrize("action", [a for a in Action if a is not Action.ADMIT])
def test_of_a_stranger_only_admission_can_be_asked(action: Action) -> None:
    assert player().ask(Ask(action, "stranger")).outcome is Outcome.UNKNOWN_PATIENT


def test_admission_makes_a_patient_known() -> None:
    played = player()
    assert played.ask(Ask(Action.ADMIT, "new")).outcome is Outcome.APPLIED
    standing = played.ward.standing(b"new")
    assert standing is not None
    assert standing.status is Status.ADMITTED
    assert list(played.ward.changed()) == [b"new"]


def test_a_forgotten_patient_is_a_stranger_and_the_row_is_used_again() -> None:
    played = player()
    played.windows(SICK)
    played.ward.forget([b"ada", b"nobody"])
    assert len(played.ward) == 0
    assert played.ward.changed() == {}
    played.windows(Window(0.1, patient="ben"))
    assert list(played.ward.changed()) == [b"ben"]
    assert list(played.ward.alarms()) == []
