"""Where windows lie: exact at every rate, the wearables' and the odd ones."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inference.windows import Rules
from services.inference.windows.rules import MAX_SESSION_S, Geometry, end_us
from shared.sections import WindowSettings

RATES = st.one_of(
    st.sampled_from([100_000, 125_000, 128_000, 130_000, 250_000, 300_000, 512_000]),
    st.integers(50_000, 1_000_000),
)
STRIDES = st.integers(500_000, 10_000_000)


@given(RATES, STRIDES, st.integers(0, MAX_SESSION_S))
def test_a_window_starts_at_the_floor_of_its_time_to_the_end_of_the_longest_session(
    rate: int, stride: int, second: int
) -> None:
    geometry = Geometry.at(rate, Rules(stride_us=stride))
    window = second * 10**6 // stride
    exact = int(window * Fraction(stride * rate, 10**9))
    assert geometry.start(window) == exact
    assert geometry.starts(np.array([window])).tolist() == [exact]


@given(RATES, STRIDES, st.integers(0, 10**9))
def test_begun_counts_the_windows_that_start_before_a_sample(rate: int, stride: int, sample: int) -> None:
    geometry = Geometry.at(rate, Rules(stride_us=stride))
    begun = geometry.begun(sample)
    assert begun == 0 or geometry.start(begun - 1) < sample
    assert geometry.start(begun) >= sample


@given(RATES, STRIDES, st.integers(0, 10**6))
def test_no_sample_lies_between_two_windows(rate: int, stride: int, window: int) -> None:
    geometry = Geometry.at(rate, Rules(stride_us=stride))
    assert geometry.start(window + 1) <= geometry.start(window) + geometry.samples


@given(RATES, STRIDES, st.integers(0, 60_000_000))
def test_the_windows_of_one_buffer_always_have_cells_of_their_own(rate: int, stride: int, lateness: int) -> None:
    rules = Rules(stride_us=stride, lateness_us=lateness)
    geometry = Geometry.at(rate, rules)
    assert geometry.begun(geometry.buffer) + 2 <= rules.cells


@pytest.mark.parametrize(
    ("rate_mhz", "samples", "limit"),
    [(50_000, 500, 50), (124_900, 1249, 124), (124_901, 1250, 125), (130_000, 1300, 130), (512_000, 5120, 512)],
)
def test_a_window_holds_the_samples_that_ten_seconds_begin(rate_mhz: int, samples: int, limit: int) -> None:
    geometry = Geometry.at(rate_mhz, Rules())
    assert (geometry.samples, geometry.limit) == (samples, limit)


@given(RATES, st.integers(0, 2 * 10**15), st.integers(0, MAX_SESSION_S))
def test_the_time_of_a_sample_is_exact(rate: int, start_us: int, second: int) -> None:
    sample = second * rate // 1000
    exact = start_us + sample * 10**9 // rate
    assert end_us(np.array([start_us]), np.array([sample]), rate).tolist() == [exact]


def test_the_rules_of_the_settings_are_exact() -> None:
    rules = Rules.of(WindowSettings(lead="II", stride_s=2.5, lateness_s=1.5, max_missing=0.07, park_after_s=30))
    assert rules == Rules(1, 2_500_000, 1_500_000, Fraction(7, 100), 30_000, 20_000)
