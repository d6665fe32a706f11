"""The position record of a shard and the mark of a patient: mirror images, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.position import PatientMark, PositionError, ShardPosition, pack_marks, parse_id, read_marks

IDS = st.tuples(st.integers(0, 2**60), st.integers(0, 2**60)).map(lambda parts: f"{parts[0]}-{parts[1]}")
POSITIONS = st.builds(
    ShardPosition,
    offset=IDS,
    rewind=IDS,
    sequence=st.integers(0, 2**60),
    commit=st.text(max_size=20),
    token=st.text(max_size=20),
    command=IDS,
)


@given(POSITIONS)
def test_a_position_reads_back_as_it_was_written(position: ShardPosition) -> None:
    stored = {name.encode(): value.encode() for name, value in position.to_redis().items()}
    assert ShardPosition.from_redis(stored) == position


def test_an_absent_position_is_the_start() -> None:
    assert ShardPosition.from_redis({}) == ShardPosition()


def test_a_field_of_a_newer_program_is_ignored() -> None:
    assert ShardPosition.from_redis({b"sequence": b"3", b"colour": b"blue"}).sequence == 3


@pytest.mark.parametrize("wrong", ["", "5", "5-", "-5", "a-1", "1-2-3", "1.5-0", "²-0"])
def test_what_is_no_entry_id_is_refused(wrong: str) -> None:
    with pytest.raises(PositionError, match="no stream entry id"):
        parse_id(wrong)


def test_a_sequence_that_is_no_number_is_refused() -> None:
    with pytest.raises(PositionError, match="no number"):
        ShardPosition.from_redis({b"sequence": b"many"})


def test_entry_ids_sort_as_numbers_not_as_text() -> None:
    assert parse_id("9-0") < parse_id("10-0") < parse_id("10-9") < parse_id("10-10")


def test_what_the_owner_still_needs_is_never_trimmed() -> None:
    assert ShardPosition(rewind="5000-3").needed(horizon_ms=0, now_ms=90_000) == "5000-3"


def test_the_replay_horizon_keeps_entries_older_than_need() -> None:
    assert ShardPosition(rewind="80000-3").needed(horizon_ms=60_000, now_ms=90_000) == "30000-0"


def test_after_the_clock_is_set_back_what_is_behind_the_newest_entries_is_trimmed_as_usual() -> None:
    position = ShardPosition(offset="90000-7", rewind="80000-3")
    assert position.needed(horizon_ms=60_000, now_ms=5_000) == position.needed(60_000, 90_000) == "30000-0"


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**60), st.integers(50_000, 1_000_000), st.integers(0, 2**40))
def test_a_mark_reads_back_as_it_was_packed(session: int, start: int, rate: int, window: int) -> None:
    mark = PatientMark(session, start, rate, window, window * 500, window * 500 + 1000)
    assert PatientMark.unpack(mark.pack()) == mark


@pytest.mark.parametrize("raw", [b"", b"\x02" + bytes(47), bytes(48), b"\x01" + bytes(46)])
def test_a_mark_that_is_not_ours_is_refused(raw: bytes) -> None:
    with pytest.raises(PositionError, match="not ours"):
        PatientMark.unpack(raw)


@given(st.lists(st.builds(PatientMark, *[st.integers(0, 2**32 - 1)] * 6), max_size=5))
def test_many_marks_at_once_are_packed_like_each_alone(marks: list[PatientMark]) -> None:
    names = ("session", "session_start_us", "rate_mhz", "next_window", "next_sample", "high_water")
    columns = {name: np.array([getattr(mark, name) for mark in marks], np.int64) for name in names}
    assert pack_marks(**columns) == [mark.pack() for mark in marks]


def test_marks_that_lack_a_field_are_refused() -> None:
    with pytest.raises(TypeError, match="marks have the fields"):
        pack_marks(session=np.zeros(1, np.int64))


@given(st.lists(st.builds(PatientMark, *[st.integers(0, 2**32 - 1)] * 6), max_size=5))
def test_many_marks_at_once_are_read_like_each_alone(marks: list[PatientMark]) -> None:
    rows = read_marks([mark.pack() for mark in marks])
    fields = PatientMark.__dataclass_fields__
    assert [PatientMark(*(int(row[name]) for name in fields)) for row in rows] == marks


@pytest.mark.parametrize("wrong", [b"", b"short", bytes([9]) + PatientMark(1, 2, 3, 4, 5, 6).pack()[1:]])
def test_a_mark_that_is_not_ours_among_many_is_refused(wrong: bytes) -> None:
    with pytest.raises(PositionError):
        read_marks([PatientMark(1, 2, 3, 4, 5, 6).pack(), wrong])
