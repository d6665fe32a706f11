"""When a window closes, and what its outcome is."""

import numpy as np
import pytest

from services.inference.windows import Cutter, Outcome, Rules
from shared.frames import decode, encode
from tests.services.inference.windows.reference import Frame, expanded, runs, step
from tests.services.inference.windows.wards import NOW_MS

SECOND = 50  # samples at the lowest rate


def second(index: int, seconds: int = 1, **changes: object) -> Frame:
    """The samples of a second: their values are their indices."""
    first = index * SECOND
    values = tuple(range(first % 30_000, first % 30_000 + seconds * SECOND))
    return Frame(b"p", values, first, **{"start_us": NOW_MS * 1000, **changes})  # type: ignore[arg-type] # test


def closings(seconds: list[Frame], rules: Rules | None = None) -> list[tuple[int, Outcome, int]]:
    """(window, outcome, number of the frame that closed it), one entry a frame."""
    cutter = Cutter(rules or Rules())
    log = [(f"{NOW_MS}-{i}", [frame]) for i, frame in enumerate(seconds)]
    windows = expanded(step(cutter, log).cut).get(b"p", [])
    return [(w.window, w.outcome, int(w.entry.split("-")[1])) for w in windows]


def test_a_complete_window_closes_with_its_last_sample() -> None:
    assert closings([second(i) for i in range(15)]) == [(0, Outcome.COMPLETE, 9), (1, Outcome.COMPLETE, 14)]


def test_a_window_with_a_hole_waits_for_the_lateness_and_is_interpolated() -> None:
    frames = [second(i) for i in range(13) if i != 4]
    assert closings(frames) == [(0, Outcome.GAPPED, 10)]  # the frame of second 11
    assert closings(frames[:10]) == []


def test_a_hole_that_is_filled_in_time_closes_the_window_at_once() -> None:
    frames = [*(second(i) for i in range(11) if i != 4), second(4), second(11)]
    assert closings(frames) == [(0, Outcome.COMPLETE, 10)]


def test_a_later_window_waits_for_the_earlier_one() -> None:
    # Second 4 is missing from window 0 alone; window 1 is complete with second 14, frame 13.
    rules = Rules(lateness_us=8_000_000)
    frames = [second(i) for i in range(18) if i != 4]
    assert closings(frames, rules) == [(0, Outcome.GAPPED, 16), (1, Outcome.COMPLETE, 16)]


def test_more_than_a_tenth_missing_is_unassessable() -> None:
    frames = [second(i) for i in range(12) if i not in (3, 4)]
    assert closings(frames) == [(0, Outcome.UNASSESSABLE, 9)]


def test_exactly_a_tenth_missing_is_assessable() -> None:
    frames = [second(i) for i in range(12) if i != 3]
    assert closings(frames) == [(0, Outcome.GAPPED, 10)]


def test_a_sample_is_late_only_if_every_window_it_belongs_to_has_closed() -> None:
    frames = [second(i) for i in range(12) if i not in (3, 6)]  # window 0 has closed without them
    facts = step(Cutter(Rules()), [(f"{NOW_MS}-0", [*frames, second(3), second(6)])]).facts
    assert (facts["samples_late"], facts["samples"]) == (SECOND, 11 * SECOND)


def test_the_first_copy_of_a_sample_wins() -> None:
    louder = second(0, gain=100.0)
    cut = step(Cutter(Rules()), [(f"{NOW_MS}-0", [second(0), louder, second(1, seconds=9)])]).cut
    assert cut.blocks[0].millivolts[0, :SECOND] == pytest.approx(np.arange(SECOND) * 0.0025)


def test_a_change_of_gain_scales_each_sample_with_its_own() -> None:
    cut = step(Cutter(Rules()), [(f"{NOW_MS}-0", [second(0, gain=1.0), second(1, seconds=9, gain=10.0)])]).cut
    assert cut.blocks[0].millivolts[0] == pytest.approx(np.arange(500) * np.where(np.arange(500) < 50, 1e-3, 1e-2))


def test_a_leap_by_years_is_one_counted_range_and_the_windows_around_it_are_right() -> None:
    windows = 90 * 365 * 24 * 3600 // 5
    leap = windows * 250
    cutter = Cutter(Rules())
    step(cutter, [(f"{NOW_MS}-0", [second(0, seconds=12)])])
    done = step(cutter, [(f"{NOW_MS}-1", [Frame(b"p", (1,) * 50, leap, start_us=NOW_MS * 1000)])])
    assert done.cut.windows["windows"].tolist() == [1, 1, windows - 3 - 2]
    assert len(done.cut) == done.facts["windows_unassessable"]


def test_a_session_that_is_joined_in_mid_stream_counts_what_was_missed_as_unassessable() -> None:
    assert [w for w, _, _ in closings([second(1000)])] == list(range(198))


def test_the_time_at_which_a_window_ends_is_told() -> None:
    cut = step(Cutter(Rules()), [(f"{NOW_MS}-0", [second(0, seconds=15)])]).cut
    assert (cut.windows["end_us"] - NOW_MS * 1000).tolist() == [10_000_000, 15_000_000]


def test_windows_come_in_one_block_a_rate() -> None:
    frames = [
        Frame(name, (0,) * (10 * rate), rate_mhz=rate * 1000)
        for name, rate in ((b"a", 50), (b"b", 100), (b"c", 50))
    ]
    cut = step(Cutter(Rules()), [(f"{NOW_MS}-0", frames)]).cut
    assert {b.rate_mhz: b.millivolts.shape for b in cut.blocks} == {50_000: (2, 500), 100_000: (1, 1000)}
    assert all(b.present.all() for b in cut.blocks)
    for block in cut.blocks:
        assert set(cut.windows["rate_mhz"][block.index]) == {block.rate_mhz}


def test_what_decode_gives_is_taken_as_it_is() -> None:
    decoded = decode(encode(runs([second(0, seconds=10)])[0]))
    cut = Cutter(Rules()).step([(f"{NOW_MS}-0", decoded)]).cut
    assert cut.windows["patient"].tolist() == [b"p"]


def test_a_window_keeps_its_samples_when_the_next_frames_come() -> None:
    cutter = Cutter(Rules())
    cut = step(cutter, [(f"{NOW_MS}-0", [second(0, seconds=10)])]).cut
    before = cut.blocks[0].millivolts.copy()
    step(cutter, [(f"{NOW_MS}-{i}", [second(i)]) for i in range(10, 40)])
    assert (cut.blocks[0].millivolts == before).all()
