"""Feeds in time: exact due times, sorted parcels, and a schedule that neither drifts nor skips."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.feed import Feed, Slot, spread
from services.ingest.schedule import Due, Pace, Schedule
from services.ingest.source import Source
from shared.shards import shard_of

MakeSource = Callable[..., Source]
START_US = 1_700_000_000_000_000


def test_a_parcel_carries_every_patient_with_its_own_samples_sorted_by_shard(counting: MakeSource) -> None:
    parcel = Feed(counting(40), Slot(9, START_US), 8).parcel(3)
    assert (np.diff(parcel.shards) >= 0).all()
    for header, samples, shard in zip(parcel.frames.headers, parcel.frames.samples, parcel.shards, strict=True):
        patient = bytes(header["patient"])
        assert shard_of(patient, 8) == shard
        assert samples[0] == int(patient[1:]) + 3 * 250
        assert (header["session"], header["session_start_us"], header["first"]) == (9, START_US, 750)


@pytest.mark.parametrize("rate_mhz", [50_000, 124_900, 128_000, 130_000, 333_333, 512_000, 1_000_000])
def test_a_frame_is_due_when_its_last_sample_is_taken_even_after_a_year(
    counting: MakeSource, rate_mhz: int
) -> None:
    feed = Feed(counting(1, rate_mhz=rate_mhz, frame_samples=100), Slot(1, START_US), 4)
    for index in (0, 1, 10**6, 365 * 86_400 * rate_mhz // 100_000):
        exact = (index + 1) * 100 * 10**9
        assert exact <= (feed.due_us(index) - START_US) * rate_mhz < exact + rate_mhz


def test_the_frame_of_a_sample_is_the_one_that_holds_it(counting: MakeSource) -> None:
    feed = Feed(counting(1), Slot(1, START_US), 4)
    assert [feed.frame_of(s) for s in (0, 249, 250, 500)] == [0, 0, 1, 2]


def test_starts_are_spread_over_one_frame() -> None:
    starts = np.sort([spread(i, 1.0) for i in range(50)])
    assert starts[0] >= 0
    assert starts[-1] < 1_000_000
    assert np.diff(starts).max() < 60_000


def walk(schedule: Schedule, most: int = 10_000) -> list[Due]:
    found = []
    while schedule and len(found) < most:
        found.append(schedule.pop())
    return found


def feeds(counting: MakeSource, *, frames: int | None = None) -> list[Feed]:
    rates = (100_000, 130_000, 512_000)
    return [
        Feed(
            counting(2, rate_mhz=r, frame_samples=r // 1000, frames=frames, name=f"r{r}-"),
            Slot(1, START_US + i),
            4,
        )
        for i, r in enumerate(rates)
    ]


def test_frames_come_in_order_of_time_and_none_is_skipped(counting: MakeSource) -> None:
    found = walk(Schedule(feeds(counting, frames=50), [0, 0, 0]))
    assert [due.at_us for due in found] == sorted(due.at_us for due in found)
    for number in range(3):
        assert [due.index for due in found if due.feed == number] == list(range(50))


def test_a_schedule_begins_where_it_is_told(counting: MakeSource) -> None:
    found = walk(Schedule(feeds(counting, frames=10), [3, 0, 9]))
    assert [min(d.index for d in found if d.feed == n) for n in range(3)] == [3, 0, 9]


def test_the_end_of_time_ends_every_feed(counting: MakeSource) -> None:
    found = walk(Schedule(feeds(counting), [0, 0, 0], START_US + 5_000_000))
    assert {due.feed: due.index for due in found}[0] == 4
    assert all(due.at_us <= START_US + 5_000_000 for due in found)


def test_a_delayed_parcel_comes_when_its_time_has_come(counting: MakeSource) -> None:
    all_feeds = feeds(counting, frames=5)
    schedule = Schedule(all_feeds, [0, 5, 5])
    first = schedule.pop()
    schedule.delay(first, all_feeds[0].parcel(0), 2.5)
    order = [(due.index, due.parcel is not None) for due in walk(schedule)]
    assert order == [(1, False), (2, False), (0, True), (3, False), (4, False)]


@given(st.floats(0.1, 1000), st.integers(0, 10**12))
def test_sample_time_passes_speed_times_as_fast_as_the_clock(speed: float, elapsed_us: int) -> None:
    pace = Pace(START_US, START_US, speed)
    assert math.isclose(
        pace.wall_s(START_US + elapsed_us) - START_US / 1e6, elapsed_us / 1e6 / speed, rel_tol=1e-6, abs_tol=1e-5
    )


def test_as_fast_as_possible_means_everything_is_due() -> None:
    assert Pace(START_US, START_US, math.inf).wall_s(START_US + 10**15) == 0.0
