"""Silence: one patient's, a whole source's, and the monitor's own, which is nobody's."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from services.inference.alarms import Action, Alert, Applied, Command, Known, Liveness, Outcome, StateError
from services.inference.alarms.terms import Kind
from services.inference.alarms.together import NOBODY, Look, Together
from tests.services.inference.alarms.events import small_rules, told

RULES = small_rules(stream_lost_s=10.0, gather_s=2.0, system_patients=3)
WARD = ("ada", "ben", "cleo", "dora")
OTHERS = ("eve", "fay", "gil")


def micros(s: float) -> int:
    return round(s * 1e6)


class Night:
    """Shards under watch: a look a second, at each of them and at what all of them hear."""

    def __init__(self, shards: int = 1, at_s: float = 0.0, known: Sequence[str] = (), states: object = ()) -> None:
        people = [Known(name.encode(), 7, 0) for name in known]
        kept = list(states) if isinstance(states, Iterable) else []
        self.shards = [Liveness(RULES, shard, people if not shard else (), kept) for shard in range(shards)]
        self.now_s = at_s
        self.missing: frozenset[int] = frozenset()
        self.look()

    def look(self, at_s: float | None = None) -> list[Alert]:
        """One look, without those before it."""
        self.now_s = self.now_s if at_s is None else at_s
        there = [shard for number, shard in enumerate(self.shards) if number not in self.missing]
        for shard in there:
            shard.look(micros(self.now_s))
        rows = np.concatenate([NOBODY, *(shard.tally() for shard in there)])
        settings = RULES.settings
        lost_us = micros(settings.stream_lost_s)
        together = Together.of(
            rows,
            not self.missing,
            micros(self.now_s),
            lost_us,
            settings.system_patients,
            gather_us=micros(settings.gather_s),
        )
        return [a for shard in there for a in shard.check(Look(micros(self.now_s), together)).alerts]

    def until(self, at_s: float) -> list[Alert]:
        """A look each second, and one at the end."""
        alerts: list[Alert] = []
        while self.now_s + 1 < at_s:
            alerts += self.look(self.now_s + 1)
        return alerts + self.look(at_s)

    def hear(self, at_s: float, names: Sequence[str] = WARD, session: int = 7, shard: int = 0) -> list[Alert]:
        """Looks up to then; then frames of ``names``, whose own time runs 1000 s ahead of the log."""
        alerts = self.until(at_s) if at_s > self.now_s else []
        return alerts + self.frames(at_s, names, session, shard)

    def frames(self, at_s: float, names: Sequence[str], session: int = 7, shard: int = 0) -> list[Alert]:
        at = np.full(len(names), micros(at_s))
        sessions = np.full(len(names), session, np.uint64)
        return self.shards[shard].heard([n.encode() for n in names], sessions, at + micros(1000), at)

    def ask(self, action: Action, alarm: str = "0" * 32, patient: str = "ada") -> Applied:
        command = Command(f"{self.now_s}-0", action, patient, "nurse", alarm=alarm)
        return self.shards[0].command(command, micros(self.now_s))


def who(alerts: Iterable[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.patient, alert.kind, alert.transition) for alert in alerts]


@pytest.fixture
def ward() -> Night:
    """Four patients of one source, heard at 0 s; the others still at 6 s and 11 s, ada no more."""
    night = Night()
    night.hear(0)
    night.hear(6, WARD[1:])
    night.hear(11, WARD[1:])
    return night


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


def stuck(night: Night, names: Sequence[str], seconds: int, ids_s: float, shard: int = 0) -> list[Alert]:
    """A look a second after the clock was set back; Redis stamps all entries with the newest id that it gave."""
    alerts = []
    for _ in range(seconds):
        alerts += night.frames(ids_s, names, shard=shard)
        alerts += night.look(night.now_s + 1)
    return alerts


HOUR_S = 3600.0


def test_after_the_clock_is_set_back_silence_alarms_in_the_usual_time() -> None:
    night = Night(at_s=HOUR_S)
    night.hear(HOUR_S + 5)
    assert night.look(5.0) == []
    assert stuck(night, WARD, 20, HOUR_S + 5) == []
    assert stuck(night, WARD[1:], 12, HOUR_S + 5) == []
    assert who(stuck(night, WARD[1:], 1, HOUR_S + 5)) == [("ada", "stream_lost", "began")]


def test_who_was_silent_when_the_clock_was_set_back_alarms_no_later() -> None:
    night = Night(at_s=HOUR_S)
    night.hear(HOUR_S)
    night.hear(HOUR_S + 9, WARD[1:])
    night.look(HOUR_S + 9)
    assert night.look(9.0) == []
    assert stuck(night, WARD[1:], 3, HOUR_S + 9) == []
    assert who(stuck(night, WARD[1:], 1, HOUR_S + 9)) == [("ada", "stream_lost", "began")]


def test_a_source_that_stops_after_the_clock_was_set_back_is_one_alarm() -> None:
    night = Night(shards=2, at_s=HOUR_S)
    for shard, names in enumerate((WARD, OTHERS)):
        night.hear(HOUR_S, names, shard=shard)
    assert night.look(0.0) == []
    assert told(night.until(60)) == [("system_silent", "began", "medium")]


def test_alarms_of_before_the_clock_was_set_back_end_when_frames_come_and_not_before() -> None:
    night = Night(at_s=HOUR_S)
    night.hear(HOUR_S)
    assert told(night.until(HOUR_S + 20)) == [("system_silent", "began", "medium")]
    assert night.look(20.0) == []
    assert night.until(60) == []
    assert told(night.frames(HOUR_S, WARD) + night.look(61)) == [("system_silent", "ended", "medium")]


def test_a_shard_that_has_not_been_looked_at_since_the_clock_was_set_back_ends_no_alarm_and_begins_none() -> None:
    night = Night(shards=2, at_s=HOUR_S)
    for shard, names in enumerate((WARD, OTHERS)):
        night.hear(HOUR_S, names, shard=shard)
    assert told(night.until(HOUR_S + 20)) == [("system_silent", "began", "medium")]
    shard, tally = night.shards[0], night.shards[1].tally()
    for now_us in (micros(20), micros(21)):
        shard.look(now_us)
        both = np.concatenate([shard.tally(), tally])
        assert shard.check(Look(now_us, Together.of(both, False, now_us, micros(10), 3))).alerts == ()


def test_one_patients_alarm_of_before_the_clock_was_set_back_ends_with_the_first_frame() -> None:
    night = Night(at_s=HOUR_S)
    night.hear(HOUR_S, WARD[:1])
    assert told(night.until(HOUR_S + 20)) == [("stream_lost", "began", "low")]
    assert night.look(20.0) == []
    assert told(night.frames(HOUR_S, WARD[:1])) == [("stream_lost", "ended", "low")]


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_refractory_time_does_not_grow_when_the_clock_is_set_back(taken_over: bool) -> None:
    night = Night(at_s=HOUR_S)
    night.hear(HOUR_S, WARD[:1])
    night.until(HOUR_S + 20)
    assert told(night.hear(HOUR_S + 21, WARD[:1])) == [("stream_lost", "ended", "low")]
    refractory_s = RULES.courses[Kind.STREAM_LOST].refractory_us / 1e6
    assert refractory_s > 0
    if taken_over:
        kept = [(key, state) for key, state in night.shards[0].changed().items() if state is not None]
        night = Night(at_s=0.0, known=WARD[:1], states=kept)
    night.look(1.0)
    assert told(night.until(refractory_s + 20)) == [("stream_lost", "began", "low")]


def test_the_time_of_a_lost_patient_goes_on_when_the_clock_is_set_back(ward: Night) -> None:
    ward.until(13)
    ward.look(3.0)
    ward.look(5.0)
    shard = ward.shards[0]
    together = Together.of(shard.tally(), True, micros(5), micros(10), 3)
    assert shard.check(Look(micros(5), together)).lost == ((b"ada", micros(1015)),)


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
    together = Together.of(shard.tally(), True, micros(13), lost_us, 3)
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
