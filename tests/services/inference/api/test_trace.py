"""Placing samples: whatever order they come in, they end where their index says, and gaps stay visible."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.inference.api.trace import LATE_S, Piece, Strip, Trace

RATE = 100
SAMPLES = np.arange(3000, dtype=np.int16)


def piece(first: int, count: int = 100, *, session: int = 1, start_us: int = 0, uv: float = 1.0) -> Piece:
    return Piece(session, start_us, RATE * 1000, uv, first, SAMPLES[first : first + count])


@given(st.permutations(range(10)), st.sets(st.integers(0, 9), max_size=4))
def test_pieces_in_any_order_with_some_missing_give_the_same_strip(order: list[int], lost: set[int]) -> None:
    trace = Trace()
    for number in order:
        if number not in lost:
            trace.place(piece(number * 100))
    strip = trace.newest(10)
    if len(lost) == 10:
        assert strip is None
        return
    assert strip is not None
    for i, sample in enumerate(strip.samples, strip.first):
        assert sample == (None if i // 100 in lost else i)


@given(st.permutations(range(12)), st.sets(st.integers(0, 11), max_size=3), st.integers(1, 4))
def test_what_is_given_out_piece_by_piece_has_no_seam_and_no_repeat(
    order: list[int], lost: set[int], every: int
) -> None:
    trace, before, joined = Trace(), None, []
    for step, number in enumerate(order):
        if number not in lost:
            trace.place(piece(number * 100))
        if step % every == 0:
            strip = trace.fresh(before, 10)
            if strip is not None:
                assert before is None or strip.first == before.end
                before = strip
                joined += [(i, s) for i, s in enumerate(strip.samples, strip.first) if s is not None]
    assert all(i == sample for i, sample in joined)


def test_a_gap_is_waited_for_and_then_given_up() -> None:
    trace = Trace()
    trace.place(piece(0))
    trace.place(piece(200))
    first = trace.fresh(None, 10)
    assert first is not None
    assert first.end == 100
    assert trace.fresh(first, 10) is None
    trace.place(piece(300, round(LATE_S * RATE)))
    rest = trace.fresh(first, 10)
    assert rest is not None
    assert rest.samples[:100] == (None,) * 100
    assert rest.samples[100] == 200


def test_a_late_piece_closes_the_gap_before_it_is_given_up() -> None:
    trace = Trace()
    for first in (0, 200, 100):
        trace.place(piece(first))
    whole = trace.fresh(None, 10)
    assert whole is not None
    assert None not in whole.samples


def test_a_later_session_takes_over_and_an_earlier_one_is_ignored() -> None:
    trace = Trace()
    trace.place(piece(500, session=1, start_us=10))
    given_out = trace.fresh(None, 10)
    trace.place(piece(0, session=2, start_us=20))
    trace.place(piece(600, session=1, start_us=10))
    strip = trace.fresh(given_out, 10)
    assert isinstance(strip, Strip)
    assert (strip.session, strip.first, strip.end) == (2, 0, 100)


def test_another_scale_is_turned_into_the_newest_ones() -> None:
    trace = Trace()
    trace.place(piece(100, uv=2.0))
    trace.place(piece(200, uv=4.0))
    strip = trace.newest(10)
    assert strip is not None
    assert strip.uv_per_lsb == 4.0
    assert strip.samples[:100] == tuple(round(i / 2) for i in range(100, 200))


def test_what_is_old_is_forgotten() -> None:
    trace = Trace(kept_s=2)
    for first in range(0, 3000, 100):
        trace.place(piece(first))
    strip = trace.newest(60)
    assert strip is not None
    assert strip.samples[-200:] == tuple(range(2800, 3000))
    assert all(sample is None for sample in strip.samples[:-400])
