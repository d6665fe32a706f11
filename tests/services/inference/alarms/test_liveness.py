"""Silence: one patient's, a whole source's, and the monitor's own, which is nobody's."""

import pytest

from services.inference.alarms import Action, Alert, Liveness, Outcome, StateError
from services.inference.alarms.together import Look, Together
from tests.services.inference.alarms.events import told
from tests.services.inference.alarms.night import OTHERS, RULES, WARD, Night, micros, who


def test_a_silent_patient_alarms_after_the_time_set_and_once(ward: Night) -> None:
    assert ward.until(12) == []
    assert told(ward.until(12.1)) == [("stream_lost", "began", "low")]
    assert ward.until(18) == []


def test_the_alarm_ends_when_the_patient_is_heard_again(ward: Night) -> None:
    ward.until(13)
    assert [(a.patient, a.transition, a.cause) for a in ward.hear(14, ["ada"])] == [
        ("ada", "ended", "condition_gone")
    ]


def test_frames_that_are_read_again_end_no_alarm(ward: Night) -> None:
    ward.until(13)
    assert ward.frames(11, ["ada"]) == []
    assert told(ward.frames(13, ["ada"])) == [("stream_lost", "ended", "low")]


def test_a_whole_source_that_falls_silent_is_one_alarm() -> None:
    night = Night()
    night.hear(0)
    found = night.until(60)
    assert [(a.kind, a.transition, a.patient, a.session, a.reasons) for a in found] == [
        ("system_silent", "began", "", 7, ("source",))
    ]


def test_a_source_that_is_spread_over_many_shards_is_one_alarm() -> None:
    night = Night(shards=6)
    for shard in range(6):
        night.hear(0, [f"p{shard}{i}" for i in range(1 + shard % 2)], shard=shard)
    assert who(night.until(60)) == [("", "system_silent", "began")]
    back = night.hear(61, ["p30"], shard=3) + night.until(62)
    assert who(back) == [("", "system_silent", "ended")]
    alone = night.until(72) + night.hear(72, ["p30"], shard=3) + night.until(80)
    assert sorted(a.patient for a in alone) == ["p00", "p10", "p11", "p20", "p31", "p40", "p50", "p51"]
    assert {a.kind for a in alone} == {"stream_lost"}


def hear_both(night: Night, until_s: int) -> list[Alert]:
    """The second shard goes on every second; all alerts."""
    return [a for second in range(1, until_s) for a in night.hear(second, OTHERS, shard=1)]


def test_a_patient_whose_source_goes_on_in_another_shard_alarms_alone() -> None:
    night = Night(shards=2)
    night.hear(0, ["ada"])
    night.hear(0, OTHERS, shard=1)
    assert who(hear_both(night, 20)) == [("ada", "stream_lost", "began")]


def test_a_source_whose_shards_are_heard_last_at_different_instants_is_one_alarm_all_the_same() -> None:
    night = Night(shards=3)
    for shard in range(3):
        night.frames(0, [f"p{shard}{i}" for i in range(3)], shard=shard)
    for shard, at_s in ((1, 0.8), (2, 1.7)):  # less apart than `gather_s`, and a look between
        night.frames(at_s, [f"p{shard}{i}" for i in range(3)], shard=shard)
    looks = [alert for tenth in range(20, 200) for alert in night.look(tenth / 10)]
    assert told(looks) == [("system_silent", "began", "medium")]


def test_a_whole_shard_that_falls_silent_is_one_alarm_that_names_it() -> None:
    night = Night(shards=2)
    night.hear(0, OTHERS)
    night.hear(0, WARD, shard=1)
    found = [a for second in range(1, 30) for a in night.hear(second, OTHERS)]
    assert [(a.kind, a.transition, a.patient, a.reasons) for a in found] == [
        ("system_silent", "began", "", ("shard_1",))
    ]
    assert told(night.hear(30, ["ada"], shard=1) + night.until(31)) == [("system_silent", "ended", "medium")]


def test_devices_with_a_session_each_that_all_fall_silent_are_one_alarm() -> None:
    night = Night()
    for session, name in enumerate(WARD, start=20):
        night.hear(0, [name], session)
    assert [(a.kind, a.reasons) for a in night.until(60)] == [("system_silent", ("everybody",))]


def test_one_of_two_sources_that_falls_silent_is_one_alarm_named_by_its_session() -> None:
    night = Night()
    night.hear(0)
    night.hear(0, OTHERS, session=8)
    found = [a for second in range(1, 25) for a in night.hear(second, WARD)]
    assert [(a.kind, a.session) for a in found] == [("system_silent", 8)]


def test_when_a_source_returns_its_alarm_ends_and_who_stays_away_gets_an_own_one() -> None:
    night = Night()
    night.hear(0)
    night.until(15)
    assert told(night.hear(20, WARD[1:]) + night.until(21)) == [("system_silent", "ended", "medium")]
    assert night.hear(30, WARD[1:]) == []
    assert who(night.until(33.5)) == [("ada", "stream_lost", "began")]


def test_a_source_that_comes_back_under_another_session_has_ended_its_alarm() -> None:
    night = Night()
    night.hear(0)
    night.until(15)
    night.hear(20, WARD[:3], session=9)
    assert told(night.until(21)) == [("system_silent", "ended", "medium")]


def test_too_few_patients_are_no_source() -> None:
    night = Night()
    night.hear(0, WARD[:2])
    assert told(night.until(13)) == [("stream_lost", "began", "low")] * 2


def test_a_source_is_silent_only_when_every_shard_has_been_heard_of() -> None:
    night = Night(shards=2)
    night.hear(0, WARD)
    night.hear(0, OTHERS, shard=1)
    night.missing = frozenset({1})
    assert night.until(20) == []
    night.missing = frozenset()
    assert night.look(20.5) == []  # the second shard was not looked at: it has the full time
    assert told(night.until(31)) == [("system_silent", "began", "medium")]


def test_if_a_shard_is_never_heard_of_again_patients_alarm_one_by_one() -> None:
    night = Night(shards=2)
    night.hear(0, WARD)
    night.missing = frozenset({1})
    assert night.until(32) == []
    assert {a.kind for a in night.until(34)} == {"stream_lost"}


@pytest.mark.parametrize("last_heard_s", [0, 99])
def test_a_pause_of_the_monitor_is_nobodys_silence(last_heard_s: int) -> None:
    night = Night()
    night.hear(0)
    night.frames(last_heard_s, WARD)  # woken up: first the log is read to its end, then a look
    assert night.look(100.5) == []
    assert night.until(110) == []
    assert told(night.until(112)) == [("system_silent", "began", "medium")]


def test_silence_counts_while_somebody_looks_even_where_looks_are_slow() -> None:
    night = Night()
    night.hear(0)
    alerts = [night.look(second) for second in range(3, 13, 3)]
    assert told(alerts[-1]) == [("system_silent", "began", "medium")]


def test_a_new_owner_gives_everybody_the_full_time() -> None:
    night = Night(at_s=50, known=WARD)
    assert night.until(60) == []
    assert told(night.until(61)) == [("system_silent", "began", "medium")]


def test_a_new_owner_does_not_end_the_alarm_of_a_source_that_is_still_silent() -> None:
    night = Night()
    night.hear(0)
    night.until(15)
    kept = [(key, state) for key, state in night.shards[0].changed().items() if state is not None]
    again = Night(at_s=20, known=WARD, states=kept)
    assert again.until(60) == []
    assert told(again.hear(61, ["ada"]) + again.look(62)) == [("system_silent", "ended", "medium")]


def test_an_alarm_that_a_person_ended_does_not_come_back_before_the_patient_does(ward: Night) -> None:
    (alert,) = ward.until(13)
    assert ward.ask(Action.END, alert.alarm).outcome is Outcome.APPLIED
    assert ward.until(20) == []
    found = [ward.hear(second, WARD if second == 20 else WARD[1:]) for second in range(20, 40)]
    assert who(a for alerts in found for a in alerts) == [("ada", "stream_lost", "began")]


def test_silence_can_be_acknowledged_and_then_ends_with_the_first_frame(ward: Night) -> None:
    (alert,) = ward.until(13)
    assert told(ward.ask(Action.ACKNOWLEDGE, alert.alarm).alerts) == [("stream_lost", "acknowledged", "low")]
    assert ward.ask(Action.ACKNOWLEDGE, alert.alarm).outcome is Outcome.ALREADY
    assert told(ward.hear(15)) == [("stream_lost", "ended", "low")]


def test_a_system_alarm_is_acknowledged_without_a_patient() -> None:
    night = Night()
    night.hear(0)
    (alert,) = night.until(13)
    assert night.ask(Action.ACKNOWLEDGE, alert.alarm, "").outcome is Outcome.APPLIED


def test_another_patients_alarm_cannot_be_answered(ward: Night) -> None:
    (alert,) = ward.until(13)
    assert ward.ask(Action.ACKNOWLEDGE, alert.alarm, "ben").outcome is Outcome.NOT_ACTIVE


@pytest.mark.parametrize("action", [Action.STANDBY, Action.DISCHARGE])
def test_who_leaves_is_not_missed(ward: Night, action: Action) -> None:
    ward.until(13)
    assert [a.transition for a in ward.ask(action).alerts] == ["ended"]
    assert ward.until(20) == []


def test_who_is_admitted_again_has_the_full_time(ward: Night) -> None:
    ward.ask(Action.STANDBY)
    ward.until(15)
    ward.ask(Action.ADMIT)
    assert ward.hear(20, WARD[1:]) == []
    assert ward.until(27) == []
    assert who(ward.until(28)) == [("ada", "stream_lost", "began")]


def test_who_was_never_heard_is_not_missed(ward: Night) -> None:
    ward.ask(Action.ADMIT, patient="zoe")
    assert "zoe" not in {a.patient for a in ward.until(60)}


def test_who_is_in_standby_before_the_first_frame_is_not_missed_after_it(ward: Night) -> None:
    ward.ask(Action.STANDBY, patient="zoe")
    ward.hear(12, ["zoe"])
    assert "zoe" not in {a.patient for a in ward.until(60)}


def test_the_time_of_a_lost_patient_goes_on_by_the_clock(ward: Night) -> None:
    ward.until(13)
    lost_us, shard = micros(10), ward.shards[0]
    together = Together.of(shard.tally(), True, micros(13), lost_us, 3, gather_us=0)
    assert shard.check(Look(micros(13), together)).lost == ((b"ada", micros(1013)),)


def test_state_moves_to_a_new_owner(ward: Night) -> None:
    (alert,) = ward.until(13)
    states = ward.shards[0].changed()
    assert ward.shards[0].changed() == {}
    kept = [(key, state) for key, state in states.items() if state is not None]
    again = Night(at_s=20, known=WARD, states=kept)
    assert again.hear(29, WARD[1:]) == []
    assert again.until(35) == []
    assert again.ask(Action.ACKNOWLEDGE, alert.alarm).outcome is Outcome.APPLIED


def test_state_that_is_no_longer_needed_is_removed(ward: Night) -> None:
    ward.until(13)
    for second in range(14, 60):
        ward.hear(second)
    assert ward.shards[0].changed()[b"ada"] is None


def test_who_is_forgotten_is_not_missed(ward: Night) -> None:
    ward.until(13)
    ward.shards[0].forget([b"ada", b"nobody"])
    assert ward.shards[0].changed() == {b"ada": None}
    assert ward.until(14) == []
    assert list(ward.shards[0].alarms()) == []


def test_no_two_alerts_share_an_id() -> None:
    night = Night(shards=3)
    alerts: list[Alert] = []
    for round_ in range(5):
        at = 60 * round_
        for shard in (1, 2):  # two shards that fall silent at the same moment
            alerts += night.hear(at, [f"{name}{shard}" for name in WARD], shard=shard)
        for second in range(at + 1, at + 14):
            alerts += night.hear(second, OTHERS)
        alerts += night.until(at + 40)
    ids = [a.id for a in alerts]
    assert len(set(ids)) == len(ids) > 12
    assert len({a.alarm for a in alerts if a.transition == "began"}) >= 12


@pytest.mark.parametrize("key", [b"ada", b"\0\1\2", b"\0\1\2\3"])
@pytest.mark.parametrize("state", [b"", b"\x02\x01", b"\x01\x01" + b"\x09" * 40, b"\x01\x01" + bytes(40)])
def test_state_of_another_program_is_refused(key: bytes, state: bytes) -> None:
    with pytest.raises(StateError):
        Liveness(RULES, states=[(key, state)])
