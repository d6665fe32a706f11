"""Parked samples: the same bits come back, and nothing else is taken for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.windows.parked import Parked, ParkedError

COUNTS = st.lists(st.none() | st.integers(-32768, 32767), max_size=60)


def parked(counts: list[int | None], scale: float) -> Parked:
    values = [np.nan if c is None else np.float32(c) * np.float32(scale) for c in counts]
    return Parked(2**64 - 1, 4711, np.array(values, np.float32), float(np.float32(scale)))


@given(COUNTS, st.floats(2**-20, 10, width=32), st.floats(0, 10, width=32))
def test_samples_come_back_bit_for_bit_whatever_the_scale_said(
    counts: list[int | None], scale: float, newest: float
) -> None:
    before = parked(counts, scale)
    for stated in (scale, newest):
        written = Parked(before.session, before.first, before.samples, stated)
        after = Parked.unpack(written.pack())
        assert (after.session, after.first, after.end) == (before.session, before.first, before.end)
        assert after.samples.tobytes() == before.samples.tobytes()


@given(st.lists(st.integers(-32768, 32767), min_size=100, max_size=200), st.floats(2**-13, 0.125, width=32))
def test_counts_of_one_gain_take_two_bytes_and_a_bit(counts: list[int], scale: float) -> None:
    assert len(parked(list(counts), scale).pack()) == 28 + -(-len(counts) // 8) + 2 * len(counts)


@given(COUNTS, st.data())
def test_cut_short_they_are_refused(counts: list[int | None], data: st.DataObject) -> None:
    raw = parked(counts, 0.0025).pack()
    with pytest.raises(ParkedError):
        Parked.unpack(raw[: data.draw(st.integers(0, len(raw) - 1))])


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        Parked.unpack(raw)
    except ParkedError:
        return
    assert raw[0] == 1
