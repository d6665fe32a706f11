"""How an MI alarm runs: evidence, priority, acknowledgement, latching, escalation, refractory time."""

import math

import pytest

from services.inference.alarms import Action, Alert, Outcome
from tests.services.inference.alarms.events import Ask, Tick, Window, player, told

SICK, WELL, UNSURE = Window(0.6), Window(0.1), Window(0.4)


def test_one_bad_window_is_no_alarm_when_two_of_three_are_asked_for() -> None:
    played = player(on_windows=2, of_windows=3)
    assert played.windows(SICK, WELL, WELL, SICK, WELL, WELL, SICK) == []
    assert told(played.windows(SICK)) == [("mi", "began", "low")]


def test_unassessable_windows_neither_speak_nor_count() -> None:
    played = player(on_windows=2, of_windows=2, technical_windows=2)
    poor = Window(0.9, signal="poor")
    assert told(played.windows(SICK, poor, WELL, poor, SICK, SICK)) == [("mi", "began", "low")]


def test_evidence_before_a_long_gap_does_not_combine_with_evidence_after_it() -> None:
    played = player(on_windows=2, of_windows=3)
    assert played.windows(SICK, Window(0.6, after_s=61)) == []
    assert told(played.windows(SICK)) == [("mi", "began", "low")]


def test_a_run_of_bad_signal_makes_evidence_old_too() -> None:
    played = player(on_windows=2, of_windows=2, technical_windows=2)
    played.windows(SICK, *[Window(signal="poor")] * 13)
    assert [a for a in played.windows(SICK) if a.kind == "mi"] == []


def test_the_first_window_after_a_gap_is_not_smoothed_with_what_was_before() -> None:
    played = player(smoothing=0.5)
    played.windows(WELL, Window(0.95, after_s=100))
    assert played.alerts[0].evidence is not None
    assert played.alerts[0].evidence[-1] == pytest.approx(0.95)


def test_smoothing_holds_back_a_single_spike() -> None:
    assert player(smoothing=0.25).windows(*[WELL] * 5, Window(1.0), *[WELL] * 5) == []


@pytest.mark.parametrize(("mi", "priority"), [(0.5, "low"), (0.7, "medium"), (0.85, "high"), (1.0, "high")])
def test_the_priority_follows_from_the_probability(mi: float, priority: str) -> None:
    assert told(player().windows(Window(mi))) == [("mi", "began", priority)]


def test_between_on_and_off_an_alarm_stays() -> None:
    assert told(player().windows(SICK, *[UNSURE] * 3)) == [("mi", "began", "low")]


def test_a_condition_that_goes_away_unseen_stays_until_somebody_has_seen_it() -> None:
    played = player()
    assert told(played.windows(SICK, WELL, WELL, WELL)) == [("mi", "began", "low"), ("mi", "cleared", "low")]
    applied = played.ask(Ask(Action.ACKNOWLEDGE))
    assert [(a.transition, a.cause, a.who, a.why) for a in applied.alerts] == [
        ("ended", "acknowledged", "nurse", "because")
    ]


def test_a_latched_alarm_recurs_under_the_same_id() -> None:
    played = player()
    played.windows(SICK, WELL, WELL, SICK)
    assert [a.transition for a in played.alerts] == ["began", "cleared", "recurred"]
    assert len({a.alarm for a in played.alerts}) == 1


def test_a_latched_alarm_ends_by_itself_only_where_the_rules_say_so() -> None:
    played = player(latch_timeout_s=30.0)
    assert [(a.transition, a.cause) for a in played.windows(SICK, *[WELL] * 9)][2:] == [("ended", "timeout")]


def test_an_acknowledged_alarm_ends_with_its_condition() -> None:
    played = player()
    played.windows(SICK)
    played.ask(Ask(Action.ACKNOWLEDGE))
    assert [(a.transition, a.cause) for a in played.windows(WELL, WELL)] == [("ended", "condition_gone")]


def test_unacknowledged_it_escalates_step_by_step_and_not_for_ever() -> None:
    played = player(escalations=3)
    said = [a for a in played.windows(*[SICK] * 40) if a.transition == "escalated"]
    assert [(a.priority, a.cause, (a.time_us - a.began_us) / 1e6) for a in said] == [
        ("medium", "unacknowledged", 20),
        ("high", "unacknowledged", 40),
        ("high", "unacknowledged", 60),
    ]


def test_acknowledged_it_does_not_escalate_by_time() -> None:
    played = player()
    played.windows(SICK)
    played.ask(Ask(Action.ACKNOWLEDGE))
    assert played.windows(*[SICK] * 20) == []


def test_acknowledged_it_is_raised_again_when_it_gets_worse() -> None:
    played = player()
    played.windows(SICK)
    played.ask(Ask(Action.ACKNOWLEDGE))
    (alert,) = played.windows(Window(0.9))
    assert (alert.transition, alert.cause, alert.priority, alert.phase) == (
        "escalated",
        "evidence",
        "high",
        "raised",
    )


def test_what_time_had_escalated_still_comes_back_when_the_evidence_itself_gets_there() -> None:
    played = player()
    played.windows(*[SICK] * 10)
    played.ask(Ask(Action.ACKNOWLEDGE))
    assert told(played.windows(Window(0.9))) == [("mi", "escalated", "high")]


def test_after_its_end_the_same_finding_waits_for_the_refractory_time() -> None:
    played = player()
    played.windows(SICK)
    played.ask(Ask(Action.END))
    assert played.windows(*[SICK] * 5) == []
    assert told(played.windows(SICK)) == [("mi", "began", "low")]


def test_a_worse_finding_does_not_wait_for_the_refractory_time() -> None:
    played = player()
    played.windows(SICK)
    played.ask(Ask(Action.END))
    assert told(played.windows(Window(0.9))) == [("mi", "began", "high")]


def test_after_the_refractory_time_old_evidence_alone_begins_nothing() -> None:
    played = player(technical_windows=2)
    played.windows(SICK)
    played.ask(Ask(Action.END))
    assert [a for a in played.windows(*[Window(signal="poor")] * 10) if a.kind == "mi"] == []


def test_an_alarm_outlives_the_session() -> None:
    played = player()
    played.windows(SICK)
    assert told(played.windows(Window(0.1, anew=True), WELL)) == [("mi", "cleared", "low")]


def test_a_session_that_begins_in_the_past_keeps_the_time_left() -> None:
    played = player()
    played.windows(SICK, SICK)  # escalates in 15 s
    assert told(played.windows(Window(0.6, anew=True, after_s=-4000), SICK, SICK)) == []
    assert told(played.windows(SICK)) == [("mi", "escalated", "medium")]


def test_while_the_stream_is_lost_escalation_goes_on_by_the_clock() -> None:
    played = player()
    played.windows(SICK)
    assert played.tick(Tick(19)) == []
    assert told(played.tick(Tick(21))) == [("mi", "escalated", "medium")]


def test_a_tick_that_nobody_would_hear_of_changes_nothing() -> None:
    played = player()
    played.windows(SICK)
    played.ask(Ask(Action.END))  # its refractory time of 30 s is over by then
    played.ward.changed()
    assert played.tick(Tick(60)) == []
    assert played.ward.changed() == {}


def test_an_alert_that_a_window_without_samples_raises_can_be_written() -> None:
    played = player()
    played.windows(SICK)
    (alert,) = played.windows(*[Window(signal="empty")] * 4)
    assert (alert.transition, alert.quality) == ("escalated", None)
    assert Alert.from_json(alert.to_json()) == alert


def test_scores_that_are_not_numbers_are_poor_signal_and_no_evidence() -> None:
    assert told(player().windows(Window(math.nan))) == [("poor_signal", "began", "low")]


def test_an_alert_shows_what_a_person_needs() -> None:
    (alert,) = player().windows(Window(0.9, type="AMI"))
    assert (alert.patient, alert.type, alert.model, alert.window, alert.session) == ("ada", "AMI", "m-1", 0, 1)
    assert alert.scores is not None
    assert alert.scores[-1] == pytest.approx(0.9)
    assert alert.quality == pytest.approx(0.9)
    assert alert.strip


def test_an_alert_says_nothing_of_the_patient_in_its_ids() -> None:
    (alert,) = player().windows(SICK)
    assert len(alert.id) == len(alert.alarm) == 32
    assert b"ada".hex() not in alert.id + alert.alarm


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.END])
def test_an_alarm_that_has_ended_cannot_be_answered(action: Action) -> None:
    played = player()
    played.windows(SICK)
    played.ask(Ask(Action.END))
    assert played.ask(Ask(action)).outcome is Outcome.NOT_ACTIVE


def test_acknowledging_twice_is_already_so() -> None:
    played = player()
    played.windows(SICK)
    outcomes = [played.ask(Ask(Action.ACKNOWLEDGE)).outcome for _ in range(2)]
    assert outcomes == [Outcome.APPLIED, Outcome.ALREADY]


def test_a_window_exactly_at_off_does_not_speak_against_the_alarm() -> None:
    assert told(player().windows(SICK, *[Window(0.35)] * 3)) == [("mi", "began", "low")]


def test_time_that_has_passed_does_not_come_back_with_late_windows() -> None:
    played = player()
    played.windows(SICK)
    played.tick(Tick(25))
    played.windows(SICK)
    played.ask(Ask(Action.END))  # at 25 s, not at the 5 s of the window: refractory until 55 s
    assert played.windows(*[SICK] * 9) == []
    assert told(played.windows(SICK)) == [("mi", "began", "low")]


def test_what_somebody_saw_when_acknowledging_is_no_news() -> None:
    played = player()
    played.windows(*[SICK] * 10, Window(0.75))  # escalated to high by time, medium by evidence
    played.ask(Ask(Action.ACKNOWLEDGE))
    assert played.windows(Window(0.75)) == []


def test_raised_again_it_escalates_as_often_as_a_new_one() -> None:
    played = player(escalations=2)
    played.windows(*[SICK] * 10)
    played.ask(Ask(Action.ACKNOWLEDGE))
    causes = [a.cause for a in played.windows(*[Window(0.9)] * 30) if a.transition == "escalated"]
    assert causes == ["evidence", "unacknowledged", "unacknowledged"]
