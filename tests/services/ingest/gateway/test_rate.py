"""The allowance of samples, on a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.gateway.rate import BURST_S, Allowance


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_taken_and_then_one_must_wait() -> None:
    allowance = Allowance(100, clock := Clock())
    assert allowance.take({b"p": 6000}) == 0
    assert allowance.take({b"p": 100}) == 1
    clock.now = 1.0
    assert allowance.take({b"p": 100}) == 0


def test_of_many_patients_all_are_taken_or_none() -> None:
    allowance = Allowance(100, Clock())
    allowance.take({b"p": 6000})
    assert allowance.take({b"q": 5000, b"p": 100}) > 0
    assert allowance.take({b"q": 6000}) == 0


def test_what_was_not_accepted_is_given_back() -> None:
    allowance = Allowance(100, Clock())
    allowance.take({b"p": 6000})
    allowance.give_back({b"p": 6000})
    assert allowance.take({b"p": 6000}) == 0


def test_more_than_a_burst_is_possible_for_who_was_silent() -> None:
    allowance = Allowance(100, clock := Clock())
    assert allowance.take({b"p": 60_000}) == 0
    clock.now = 539.0
    assert allowance.take({b"p": 6000}) > 0
    clock.now = 600.0
    assert allowance.take({b"p": 6000}) == 0


def test_who_is_silent_is_forgotten() -> None:
    allowance = Allowance(100, clock := Clock())
    allowance.take({b"p": 1, b"q": 1})
    assert allowance.patients == 2
    clock.now = BURST_S
    allowance.take({b"q": 1})
    assert allowance.patients == 1


@given(steps=st.lists(st.tuples(st.floats(0, 100), st.integers(1, 6000)), max_size=60))
def test_never_more_than_a_burst_and_the_rate_is_taken(steps: list[tuple[float, int]]) -> None:
    allowance = Allowance(100, clock := Clock())
    taken = 0
    for pause, samples in steps:
        clock.now += pause
        wait = allowance.take({b"p": samples})
        if wait == 0:
            taken += samples
        assert taken <= 100 * (BURST_S + clock.now) + 1e-6
