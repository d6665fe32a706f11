"""Cursors: what is written is what is read, and a small one is never ahead of what its reader has."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.api.cursor import LISTED, MARGIN_MS, BadCursor, Cursor

IDS = st.tuples(st.integers(1, 2**45), st.integers(0, 2**20))


@given(st.dictionaries(st.integers(0, 63), IDS))
def test_a_cursor_comes_back_as_it_was_written(at: dict[int, tuple[int, int]]) -> None:
    cursor = Cursor(64, at)
    assert Cursor.parse(cursor.text(), 64) == cursor


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    with suppress(BadCursor):
        assert Cursor.parse(text, 4).shards == 4


def test_a_cursor_of_another_number_of_shards_is_refused() -> None:
    with pytest.raises(BadCursor):
        Cursor.parse(Cursor(64, {3: (5, 1)}).text(), 32)


def test_of_thousands_of_shards_a_cursor_stays_small_and_what_comes_next_lies_behind_it() -> None:
    begun = 1_700_000_000_000
    at = {shard: (begun + 977 * (shard * 7919 % 16384), shard % 3) for shard in range(16384)}
    text = Cursor(16384, at).text()
    assert len(text) < 8_000
    read = Cursor.parse(text, 16384)
    # Even if Redis' clock is set back meanwhile, a little.
    earliest = max(at.values())[0] - MARGIN_MS + 1
    assert all(read.of(shard) <= max(seen, (earliest, 0)) for shard, seen in at.items())
    exact = sum(read.of(shard) == seen for shard, seen in at.items())
    assert exact >= LISTED // 2


def test_a_cursor_of_the_usual_number_of_shards_fits_any_header() -> None:
    at = {shard: (1_700_000_000_000 + 8_000_000 * shard, 1) for shard in range(64)}
    assert len(Cursor(64, at).text()) < 700
