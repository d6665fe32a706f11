from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.frames import LEADS
from shared.signal import resample
from shared.wfdb import RecordingError, Stretch
from training.prepare.cut import cut, quantised, starts
from training.store import leads_of


def stretch(uv: npt.ArrayLike, rate: int = 100, missing: slice | None = None) -> Stretch:
    """A signal of whole microvolts."""
    values = np.asarray(uv, np.int64)
    absent = np.zeros(len(values), np.bool_)
    if missing is not None:
        absent[missing] = True
    return Stretch(values, absent, 1.0, rate * 1000)


def wave(samples: int) -> npt.NDArray[np.int64]:
    return np.arange(samples) * 7 % 1000


@given(st.floats(9, 5000), st.integers(1, 20))
def test_segments_lie_inside_the_recording_and_never_overlap(seconds: float, limit: int) -> None:
    begins = starts(seconds, limit)
    assert len(begins) == min(limit, max(1, int((seconds + 1e-9) // 10)))
    assert begins[0] >= 0
    assert begins[-1] + 10 <= max(seconds, 10) + 1e-6
    assert all(b - a >= 10 - 1e-6 for a, b in pairwise(begins))


def test_ten_seconds_are_one_segment_and_a_minute_gives_its_middle() -> None:
    assert starts(10, 9) == (0,)
    assert starts(60, 1) == (25,)
    assert starts(60, 2) == (10, 40)


def test_ten_seconds_at_100_hz_are_kept_count_for_count() -> None:
    (segment,) = cut({"II": stretch(wave(1000))}, 1)
    assert segment.counts[1].tolist() == wave(1000).tolist()
    assert (segment.scale, leads_of(segment.leads)) == (0.001, ("II",))
    assert not segment.counts[[0, *range(2, 12)]].any()


def test_other_rates_are_resampled_as_serving_does() -> None:
    uv = (500 * np.sin(np.arange(5000) / 40)).astype(np.int64)
    (segment,) = cut({"I": stretch(uv, 500)}, 1)
    expected = resample(uv[None].astype(np.float32) / 1000, 500_000)[0]
    np.testing.assert_allclose(segment.counts[0] / 1000, expected, atol=0.00051)


def test_a_long_recording_is_cut_where_it_says() -> None:
    segments = cut({"I": stretch(np.arange(6000))}, 2)
    assert [(s.start_s, int(s.counts[0, 0])) for s in segments] == [(10, 1000), (40, 4000)]


def test_a_recording_short_by_a_tenth_is_held_at_its_end() -> None:
    (segment,) = cut({"I": stretch(wave(900))}, 1)
    assert set(segment.counts[0, 900:].tolist()) == {int(wave(900)[-1])}
    with pytest.raises(RecordingError, match=r"8\.99 s long, at least 9 s"):
        cut({"I": stretch(wave(899))}, 1)


def test_a_small_hole_is_a_straight_line_and_a_lead_with_a_large_one_is_absent() -> None:
    holed = stretch(np.arange(1000) * 10, missing=slice(300, 400))
    (segment,) = cut({"I": holed, "II": stretch(wave(1000), missing=slice(300, 401))}, 1)
    assert leads_of(segment.leads) == ("I",)
    assert segment.counts[0].tolist() == (np.arange(1000) * 10).tolist()


@pytest.mark.parametrize("uv", [np.zeros(1000), np.full(1000, 300)])
def test_a_recording_of_flat_leads_is_refused(uv: npt.NDArray[np.float64]) -> None:
    with pytest.raises(RecordingError, match="every lead is flat"):
        cut({"I": stretch(uv), "V1": stretch(uv)}, 1)


def test_one_flat_lead_is_kept_beside_others() -> None:
    (segment,) = cut({"I": stretch(wave(1000)), "V1": stretch(np.zeros(1000))}, 1)
    assert leads_of(segment.leads) == ("I", "V1")


@pytest.mark.parametrize(("offset", "height"), [(0, 5), (40, 5), (-300, 20), (0, 60), (200, 90)])
def test_nothing_is_clipped_and_shape_is_kept_to_a_count(offset: float, height: float) -> None:
    mv = np.zeros((len(LEADS), 1000), np.float32)
    mv[0] = offset + height * np.sin(np.arange(1000) / 9)
    counts, scale = quantised(mv)
    back = counts[0] * scale
    assert np.abs((back - back[0]) - (mv[0] - mv[0, 0])).max() <= 1.1 * scale
    assert scale <= max(0.001, 1.2 * height / 32767)


def test_what_cannot_be_an_ecg_is_refused() -> None:
    mv = np.zeros((len(LEADS), 1000), np.float32)
    mv[0, 500] = 2000
    with pytest.raises(RecordingError, match="2 V from peak to peak: its gain or unit is wrong"):
        quantised(mv)
