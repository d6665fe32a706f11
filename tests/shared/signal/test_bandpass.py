"""The band-pass: its response, its two forms, its independence from the batch."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.synthetic import ecg
from shared.signal import (
    RATE_HZ,
    WINDOW_SAMPLES,
    SignalError,
    bandpass,
    bandpass_factors,
    bandpass_matrix,
    resample,
)
from shared.signal.bandpass import DRIFT_TERMS, lowpass_taps

MIDDLE = slice(300, -300)


def gain(frequency_hz: float) -> float:
    """Amplitude response in the middle of the window, where its ends do not reach."""
    phase = 2 * np.pi * frequency_hz * (np.arange(WINDOW_SAMPLES) - 499.5) / RATE_HZ
    through = bandpass(np.stack([np.cos(phase), np.sin(phase)]))
    return float(np.abs(through[0] + 1j * through[1])[MIDDLE].mean())


@pytest.mark.parametrize(
    ("frequency_hz", "low", "high"),
    [
        (0.05, 0.0, 0.01),
        (0.5, 0.45, 0.55),
        (1, 0.92, 0.96),
        (10, 0.999, 1.001),
        (34, 0.98, 1.01),
        (40, 0.49, 0.51),
        (46, 0.0, 0.004),
        (50, 0.0, 0.003),
    ],
)
def test_the_response_is_a_half_at_both_edges_and_flat_between(frequency_hz, low, high):
    assert low <= gain(frequency_hz) <= high


def test_mains_hum_at_60_hz_is_gone_after_resampling_and_band_pass():
    time = np.arange(2500) / 250
    hum = np.cos(2 * np.pi * 60 * time)[None]
    assert np.abs(bandpass(resample(hum, 250_000))[0, MIDDLE]).max() < 1e-3


def test_it_agrees_with_the_same_filter_done_by_cosine_transform():
    windows = ecg(20, 100_000, np.random.default_rng(0)).astype(np.float64)
    frequency = np.arange(WINDOW_SAMPLES) / 20
    drift = np.where(np.arange(WINDOW_SAMPLES) < DRIFT_TERMS, 1 / (1 + (frequency / 0.5) ** 4), 0)
    _, lowpass = scipy.signal.freqz(lowpass_taps(), worN=frequency, fs=RATE_HZ)
    shape = np.real(lowpass * np.exp(2j * np.pi * frequency / RATE_HZ * (len(lowpass_taps()) // 2)))
    for window, ours in zip(windows, bandpass(windows), strict=True):
        spectrum = scipy.fft.dct(window, norm="ortho") * (1 - drift) * shape
        assert ours == pytest.approx(scipy.fft.idct(spectrum, norm="ortho"), abs=1e-5)


def test_it_agrees_with_a_butterworth_run_forwards_and_backwards_inside_the_window():
    sections = scipy.signal.butter(2, 0.5, "highpass", fs=RATE_HZ, output="sos")
    for window in ecg(10, 100_000, np.random.default_rng(1), noise_mv=0.0):
        theirs = scipy.signal.sosfiltfilt(sections, window.astype(float), padtype="even", padlen=999)
        assert bandpass(window[None])[0, 100:-100] == pytest.approx(theirs[100:-100], abs=0.01)


def test_the_matrix_for_the_graph_gives_the_same_numbers():
    windows = ecg(64, 100_000, np.random.default_rng(2))
    assert windows @ bandpass_matrix() == pytest.approx(bandpass(windows), abs=1e-5)


@pytest.mark.parametrize("batch", [1, 17, 64, 100])
def test_a_row_is_bit_equal_in_any_batch_and_order(batch):
    windows = ecg(150, 100_000, np.random.default_rng(3))
    whole = bandpass(windows)
    order = np.random.default_rng(4).permutation(150)
    assert np.array_equal(bandpass(windows[:batch]), whole[:batch])
    assert np.array_equal(bandpass(windows[order]), whole[order])


def test_an_electrode_offset_of_300_mv_costs_a_microvolt_at_most():
    windows = ecg(8, 100_000, np.random.default_rng(5))
    assert bandpass(windows + np.float32(300)) == pytest.approx(bandpass(windows), abs=1e-3)


def test_a_broken_row_does_not_touch_its_neighbours():
    windows = ecg(3, 100_000, np.random.default_rng(6))
    broken = windows.copy()
    broken[1, 500] = np.nan
    assert np.array_equal(bandpass(broken)[[0, 2]], bandpass(windows)[[0, 2]])


@settings(deadline=None)  # no verdict on speed: the machine may be busy
@given(arrays(np.float32, (2, WINDOW_SAMPLES), elements=st.floats(-5, 5, width=32)), st.floats(-3, 3))
def test_it_is_linear(windows, factor):
    mixed = bandpass(windows[:1] + np.float32(factor) * windows[1:])
    alone = bandpass(windows)
    assert mixed[0] == pytest.approx(alone[0] + factor * alone[1], abs=2e-4)


def test_the_constants_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        bandpass_matrix()[0, 0] = 1


def test_windows_of_another_length_are_refused():
    with pytest.raises(SignalError, match="1000"):
        bandpass(np.zeros((2, 999)))


def test_the_factors_of_a_graph_make_the_same_operator() -> None:
    factors = bandpass_factors()
    outputs, inputs, _ = factors.lowpass.shape
    whole = factors.analysis.astype(np.float64) @ factors.synthesis
    runs = WINDOW_SAMPLES // inputs
    for target in range(runs):
        for k, source in enumerate(range(target - 1, target + 2)):
            if 0 <= source < runs:
                rows, columns = (
                    slice(at * size, (at + 1) * size) for at, size in ((source, inputs), (target, outputs))
                )
                whole[rows, columns] += factors.lowpass[:, :, k].T
    assert whole == pytest.approx(bandpass_matrix(), abs=1e-6)
