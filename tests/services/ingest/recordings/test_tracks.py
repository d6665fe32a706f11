import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.recordings.seam import Loop
from services.ingest.recordings.tracks import Tracks


def by_hand(tape: Loop, offset: int, first: int, count: int) -> list[int]:
    at, heard = offset, []
    for _ in range(first + count):
        if at == len(tape.samples):
            at = tape.start
        heard.append(int(tape.samples[at]))
        at += 1
    return heard[first:]


tapes = st.lists(
    st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))), min_size=1, max_size=4
)


@settings(max_examples=100)
@given(tapes, st.data())
def test_any_frame_is_what_playing_from_the_beginning_gives(
    shapes: list[tuple[int, int]], data: st.DataObject
) -> None:
    made = [Loop(np.arange(n, dtype=np.int16) + 100 * i, start) for i, (n, start) in enumerate(shapes)]
    tape = np.array(data.draw(st.lists(st.integers(0, len(made) - 1), min_size=1, max_size=5)), np.intp)
    offset = np.array([data.draw(st.integers(0, shapes[t][0] - 1)) for t in tape], np.int64)
    longest = data.draw(st.integers(1, 90))
    first, count = data.draw(st.integers(0, 300)), data.draw(st.integers(1, longest))
    read = Tracks(made, tape, offset, longest).read(first, count)
    assert read.tolist() == [by_hand(made[t], int(o), first, count) for t, o in zip(tape, offset, strict=True)]


def test_far_frames_are_as_quick_as_near_ones() -> None:
    tracks = Tracks([Loop(np.arange(10), 3)], np.zeros(1, np.intp), np.zeros(1, np.int64), 5)
    assert tracks.read(3 + 7 * 2**49, 5).tolist() == [[3, 4, 5, 6, 7]]


def test_recordings_shared_by_rows_are_held_once() -> None:
    tapes = [Loop(np.zeros(1_000_000, np.int16), 0)]
    tracks = Tracks(tapes, np.zeros(1000, np.intp), np.arange(1000), 100)
    assert tracks._windows.base is not None
    assert tracks._windows.nbytes > 50 * 2**20  # as seen through the overlapping view
    assert (
        np.lib.array_utils.byte_bounds(tracks._windows)[1] - np.lib.array_utils.byte_bounds(tracks._windows)[0]
        < 2.1 * 1_000_000
    )
