"""Silence where Redis' clock is set back: entry ids go on at the old time, looks do not."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.inference.alarms import Alert
from services.inference.alarms.terms import Kind
from services.inference.alarms.together import Look, Together
from tests.services.inference.alarms.events import told
from tests.services.inference.alarms.night import OTHERS, RULES, WARD, Night, micros, who

HOUR_S = 3600.0


def stuck(night: Night, names: Sequence[str], seconds: int, ids_s: float, shard: int = 0) -> list[Alert]:
    """A look a second after the clock was set back; Redis stamps all entries with the newest id that it gave."""
    alerts = []
    for _ in range(seconds):
        alerts += night.frames(ids_s, names, shard=shard)
        alerts += night.look(night.now_s + 1)
    return alerts


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
        assert shard.check(Look(now_us, Together.of(both, False, now_us, micros(10), 3, gather_us=0))).alerts == ()


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
    together = Together.of(shard.tally(), True, micros(5), micros(10), 3, gather_us=0)
    assert shard.check(Look(micros(5), together)).lost == ((b"ada", micros(1015)),)
