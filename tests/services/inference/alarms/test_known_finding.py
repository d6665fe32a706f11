"""Mutes: what a known finding covers, and what it must not hide."""

import pytest

from services.inference.alarms import Action, Outcome
from services.inference.alarms.location import UNSPECIFIED, close_to, leading, located
from shared.labels import MI_CODES
from tests.services.inference.alarms.events import Ask, Player, Tick, Window, player, told

SICK, WELL = Window(0.6), Window(0.1)


def muted(*asked: str, first: Window = SICK, **ask: object) -> Player:
    """A patient whose alarm was muted, with what was asked for."""
    played = player(technical_windows=2)
    played.windows(first)
    played.ask(Ask(Action.MUTE, types=asked, **ask))  # type: ignore[arg-type]  # keyword arguments of Ask
    return played


def test_a_mute_ends_the_alarm_it_covers() -> None:
    played = muted()
    assert [(a.transition, a.cause) for a in played.alerts[1:]] == [("muted", "person"), ("ended", "muted")]


def test_the_known_finding_stays_quiet_for_good() -> None:
    assert muted().windows(*[SICK] * 50) == []


def test_a_higher_priority_breaks_through() -> None:
    assert told(muted().windows(Window(0.9))) == [("mi", "began", "high")]


def test_another_type_breaks_through() -> None:
    (alert,) = muted().windows(Window(0.6, type="AMI"))
    assert (alert.transition, alert.type) == ("began", "AMI")


def test_a_type_that_cannot_be_told_from_the_known_one_does_not() -> None:
    assert muted().windows(Window(0.6, type="ILMI", second="IMI")) == []


def test_all_types_can_be_muted_by_naming_them() -> None:
    assert muted(*MI_CODES).windows(Window(0.6, type="AMI")) == []


def test_a_mute_that_does_not_cover_the_alarm_leaves_it() -> None:
    played = muted("AMI")
    assert [slot.phase.label for _, slot in played.ward.alarms()] == ["raised"]


def test_without_an_alarm_a_mute_covers_all_types_up_to_medium() -> None:
    played = player()
    played.windows(WELL)
    played.ask(Ask(Action.MUTE))
    assert played.windows(Window(0.75, type="AMI"), Window(0.75, type="LMI")) == []
    assert told(played.windows(Window(0.9))) == [("mi", "began", "high")]


def test_a_ceiling_may_be_stated() -> None:
    assert muted(ceiling="high").windows(Window(0.95)) == []


def test_a_mute_holds_for_the_time_asked_and_says_when_it_is_over() -> None:
    played = muted(for_s=12.0)
    assert played.windows(SICK, SICK) == []
    assert [(a.transition, a.cause) for a in played.windows(SICK)] == [
        ("unmuted", "expired"),
        ("began", "evidence"),
    ]


def test_a_mute_ends_while_the_stream_is_lost() -> None:
    played = muted(for_s=12.0)
    assert [(a.transition, a.cause) for a in played.tick(Tick(13))] == [("unmuted", "expired")]


def test_unmuted_a_finding_that_is_still_there_alarms_with_the_next_window() -> None:
    played = muted()
    assert played.ask(Ask(Action.UNMUTE)).outcome is Outcome.APPLIED
    assert told(played.windows(SICK)) == [("mi", "began", "low")]


def test_technical_alarms_are_not_muted() -> None:
    assert told(muted().windows(*[Window(signal="lead_off")] * 2)) == [("lead_off", "began", "low")]


def test_unmuting_who_is_not_muted_is_already_so() -> None:
    played = player()
    played.windows(WELL)
    assert played.ask(Ask(Action.UNMUTE)).outcome is Outcome.ALREADY


def test_a_mute_below_the_level_of_the_alarm_leaves_it() -> None:
    played = muted(*MI_CODES, first=Window(0.9), ceiling="low")
    assert [slot.phase.label for _, slot in played.ward.alarms()] == ["raised"]


def test_what_only_time_had_escalated_does_not_lift_the_ceiling() -> None:
    played = player()
    played.windows(*[SICK] * 10)
    played.ask(Ask(Action.MUTE))
    assert told(played.windows(Window(0.9))) == [("mi", "began", "high")]


def test_a_session_that_begins_in_the_past_keeps_the_time_left_of_a_mute() -> None:
    played = muted(for_s=12.0)
    assert played.windows(Window(0.6, anew=True, after_s=-4000), SICK, SICK) == []
    assert played.windows(SICK)[0].transition == "unmuted"


def test_two_types_that_are_close_do_not_take_turns() -> None:
    played = player()
    played.windows(SICK)
    assert played.windows(Window(0.6, type="ILMI", likely=0.65, second="IMI"), SICK) == []


def types(**likely: float) -> list[float]:
    return [likely.get(code, 0.0) for code in (*MI_CODES, "MI")]


@pytest.mark.parametrize(
    ("smoothed", "type_"),
    [(types(IMI=0.7, AMI=0.6), 0), (types(AMI=0.2), 3), (types(AMI=0.19), UNSPECIFIED), (types(), UNSPECIFIED)],
)
def test_the_likeliest_type_leads_if_it_is_likely_at_all(smoothed: list[float], type_: int) -> None:
    assert leading(smoothed, 0.2) == type_


@pytest.mark.parametrize(
    ("smoothed", "current", "type_"),
    [
        (types(IMI=0.6, AMI=0.65), 0, 0),
        (types(IMI=0.5, AMI=0.65), 0, 3),
        (types(IMI=0.1), 0, 0),
        (types(IMI=0.29), UNSPECIFIED, UNSPECIFIED),
        (types(IMI=0.31), UNSPECIFIED, 0),
    ],
)
def test_the_type_changes_only_by_a_clear_lead(smoothed: list[float], current: int, type_: int) -> None:
    assert located(smoothed, current, 0.2, 0.1) == type_


def test_types_that_are_close_are_named_beside_the_first() -> None:
    assert close_to(types(IMI=0.6, ILMI=0.55, IPLMI=0.49), 0, 0.1) == (2,)


def test_a_type_that_changes_is_an_update_of_the_same_alarm() -> None:
    played = player()
    played.windows(SICK, Window(0.6, type="AMI"))
    assert [(a.transition, a.type) for a in played.alerts] == [("began", "IMI"), ("updated", "AMI")]
