from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.ingest.recordings.seam import FADE_S, Loop, beat_aligned, crossfaded

Beating = Callable[..., np.ndarray]


def played(loop: Loop, times: int) -> np.ndarray:
    return np.concatenate([loop.samples] + [loop.samples[loop.start :]] * times).astype(np.float64)


def beats(signal: np.ndarray, hertz: float) -> np.ndarray:
    """Times of R waves: the tallest sample of each excursion above half the tallest of all."""
    signal = signal - np.median(signal)
    above = signal > 0.5 * signal.max()
    edges = np.flatnonzero(np.diff(above.astype(int)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return np.array([a + int(np.argmax(signal[a : b + 1])) for a, b in pairs]) / hertz


@pytest.mark.parametrize("hertz", [100, 130, 300, 512, 1000])
@pytest.mark.parametrize("pace", [0.4, 0.8, 1.3])
@pytest.mark.parametrize("seconds", [10, 31.7])
def test_intervals_across_the_seam_are_those_of_the_recording(
    beating: Beating, hertz: int, pace: float, seconds: float
) -> None:
    signal = beating(seconds, hertz, pace=pace)
    intervals = np.diff(beats(signal, hertz))
    looped = np.diff(beats(played(beat_aligned(np.rint(1000 * signal).astype(np.int16), hertz * 1000), 4), hertz))
    assert looped.min() > 0.95 * intervals.min()
    assert looped.max() < 1.05 * intervals.max()


@pytest.mark.parametrize("wander", [0.0, 0.1, 0.5])
def test_no_step_at_the_seam_is_larger_than_those_of_the_recording(beating: Beating, wander: float) -> None:
    counts = np.rint(1000 * beating(wander=wander)).astype(np.int16)
    looped = played(beat_aligned(counts, 100_000), 4)
    assert np.abs(np.diff(looped)).max() <= np.abs(np.diff(counts.astype(float))).max()


def test_all_but_the_fade_is_the_recording_itself(beating: Beating) -> None:
    counts = np.rint(1000 * beating()).astype(np.int16)
    loop = beat_aligned(counts, 100_000)
    kept = len(loop.samples) - round(FADE_S * 100)
    np.testing.assert_array_equal(loop.samples[:kept], counts[:kept])


def test_most_of_a_long_recording_is_in_the_loop(beating: Beating) -> None:
    counts = np.rint(1000 * beating(60)).astype(np.int16)
    loop = beat_aligned(counts, 100_000)
    assert len(loop.samples) - loop.start > 54 * 100


@settings(max_examples=50)
@given(arrays(np.int16, st.integers(100, 3000)), st.integers(50_000, 1_000_000))
def test_any_recording_can_be_looped(counts: np.ndarray, rate_mhz: int) -> None:
    loop = beat_aligned(counts, rate_mhz)
    assert 0 < loop.start < len(loop.samples) <= len(counts)
    assert loop.samples.dtype == np.int16


def test_a_crossfade_ends_where_the_start_goes_on() -> None:
    ramp = np.arange(1000, dtype=np.float64)
    loop = crossfaded(ramp, 200, 1000, 100)
    assert abs(loop.samples[-1] - (ramp[200] - 1)) < 1
