"""Counting by changes. That their sum is how things stand, whatever happens, is in test_purity."""

from collections import Counter

from services.inference.alarms.census import Census, oldest
from services.inference.alarms.slot import Slot
from services.inference.alarms.terms import Kind, Phase, Priority


def test_the_oldest_alarm_that_waits_is_found_and_an_acknowledged_one_does_not_wait() -> None:
    def slot(phase: Phase, began_us: int) -> Slot:
        return Slot(Kind.MI, phase, Priority.HIGH, began_us=began_us)

    slots = [slot(Phase.RAISED, 30), slot(Phase.LATCHED, 20), slot(Phase.ACKNOWLEDGED, 10)]
    assert oldest(slots) == {"mi|high": 20}


def test_a_change_that_is_taken_back_is_none() -> None:
    census = Census()
    census.slot_stood(None, Slot(Kind.STREAM_LOST, Phase.RAISED, Priority.LOW))
    census.slot_stood(Slot(Kind.STREAM_LOST, Phase.RAISED, Priority.LOW), None)
    assert census.take() == Counter()
