from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.ingest.recordings.counts import from_counts, from_voltages
from services.ingest.recordings.recording import Recording
from shared.wfdb import RecordingError

NONE_MISSING = np.zeros(300, np.bool_)


def of(values: Any, lsb: float = 1.0, missing: Any = NONE_MISSING) -> Recording:
    return from_counts("r", "I", 100_000, np.asarray(values, np.int64), missing=missing, uv_per_lsb=lsb)


@given(arrays(np.int64, 300, elements=st.integers(-(2**15), 2**15 - 1)).filter(lambda x: np.ptp(x) >= 20))
def test_counts_that_fit_are_kept_as_they_are(values: Any) -> None:
    made = of(values, 1.25)
    np.testing.assert_array_equal(made.counts, values)
    assert made.uv_per_lsb == 1.25


def test_counts_that_fit_but_for_an_offset_lose_the_offset_only() -> None:
    values = 100_000 + np.arange(300)
    made = of(values)
    np.testing.assert_array_equal(np.diff(made.counts), np.diff(values))
    assert made.uv_per_lsb == 1.0


@given(arrays(np.int64, 300, elements=st.integers(-(2**31), 2**31 - 1)), st.floats(1e-4, 2.0))
def test_24_and_32_bits_never_clip_and_stay_within_half_a_count(values: Any, lsb: float) -> None:
    if not 20 <= np.ptp(values) * lsb <= 1e6:
        return
    made = of(values, lsb)
    off = made.counts * made.uv_per_lsb - values * lsb
    assert np.ptp(off) <= 1.01 * made.uv_per_lsb + 1e-6 * np.ptp(values) * lsb


def test_millivolts_come_out_at_one_microvolt_a_count() -> None:
    made = from_voltages("r", "I", 100_000, np.arange(300) + 0.4)
    assert made.uv_per_lsb == 1.0
    np.testing.assert_array_equal(made.counts, np.arange(300))


def test_missing_samples_at_the_ends_are_cut() -> None:
    missing = np.zeros(300, np.bool_)
    missing[:30] = missing[290:] = True
    np.testing.assert_array_equal(of(np.arange(300), missing=missing).counts, np.arange(30, 290))


def test_a_gap_inside_is_refused_with_its_place() -> None:
    missing = np.zeros(300, np.bool_)
    missing[[0, 120, 121]] = True
    with pytest.raises(
        RecordingError, match=r"2 samples are missing \(NaN\) inside, the first at sample 120 \(1.20 s\)"
    ):
        of(np.arange(300), missing=missing)


@pytest.mark.parametrize(
    ("uv", "why"),
    [
        (np.zeros(0), "holds no sample"),
        (np.full(300, np.nan), "every sample is missing"),
        (np.arange(199), "at least 2 s"),
        (np.full(300, 7.0), "flat, or its gain"),
        (np.linspace(0, 2e6, 300), "2 V from peak to peak"),
        (np.r_[np.arange(299), np.inf], "infinite value at sample 299"),
    ],
)
def test_what_is_no_ecg_is_refused(uv: Any, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        from_voltages("r", "I", 100_000, np.asarray(uv, np.float64))
