"""Straight lines in place of missing samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.signal import SignalError, interpolate_missing, missing_share


def test_a_gap_becomes_the_line_between_its_neighbours():
    windows = np.array([[0, 1, np.nan, np.nan, 4, 5]], np.float32)
    assert interpolate_missing(windows, np.isfinite(windows)).tolist() == [[0, 1, 2, 3, 4, 5]]


def test_the_nearest_sample_is_held_at_the_ends():
    windows = np.array([[np.nan, 2, 3, np.nan, np.nan]], np.float32)
    assert interpolate_missing(windows, np.isfinite(windows)).tolist() == [[2, 2, 3, 3, 3]]


def test_a_window_without_a_sample_becomes_zeros():
    windows = np.full((1, 5), np.nan, np.float32)
    assert not interpolate_missing(windows, np.zeros((1, 5), bool)).any()


def test_a_batch_without_gaps_is_handed_back():
    windows = np.ones((2, 5), np.float32)
    assert interpolate_missing(windows, np.ones((2, 5), bool)) is windows


@settings(deadline=None)  # no verdict on speed: the machine may be busy
@given(
    arrays(np.float32, (3, 20), elements=st.floats(-5, 5, width=32)),
    arrays(np.bool_, (3, 20)).filter(lambda present: present.any(axis=1).all()),
)
def test_it_agrees_with_numpy_row_by_row(windows, present):
    ours = interpolate_missing(np.where(present, windows, np.float32(np.nan)), present)
    for row, known, mine in zip(windows, present, ours, strict=True):
        where = np.flatnonzero(known)
        assert mine == pytest.approx(np.interp(np.arange(20), where, row[where]), abs=1e-5)
        assert np.array_equal(mine[known], row[known])


def test_the_share_of_missing_samples_is_counted_for_each_window():
    present = np.array([[True, True, False, False], [True] * 4])
    assert missing_share(present).tolist() == [0.5, 0.0]


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(SignalError, match="booleans of shape"):
        interpolate_missing(np.zeros((1, 5)), np.ones((1, 4), bool))
