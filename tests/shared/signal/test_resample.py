"""Any device rate becomes 100 Hz, the same way whatever the batch."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.synthetic import ecg
from shared.signal import RATE_HZ, WINDOW_SAMPLES, SignalError, device_samples, resample

RATES_MHZ = [50_000, 100_000, 125_000, 128_000, 130_000, 250_000, 256_000, 300_000, 360_000, 500_000, 512_000]
RATES_MHZ += [1_000_000, 333_333, 50_001, 199_999]
INNER = slice(40, -40)  # away from the ends, where the signal's continuation shows


def sine(frequency_hz: float, rate_mhz: int) -> np.ndarray:
    time = np.arange(device_samples(rate_mhz)) * 1000 / rate_mhz
    return np.cos(2 * np.pi * frequency_hz * time)[None]


@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
@pytest.mark.parametrize("frequency_hz", [0.5, 5, 10, 18])
def test_a_sine_in_the_band_stays_the_same_sine(rate_mhz, frequency_hz):
    expected = np.cos(2 * np.pi * frequency_hz * np.arange(WINDOW_SAMPLES) / RATE_HZ)
    assert resample(sine(frequency_hz, rate_mhz), rate_mhz)[0, INNER] == pytest.approx(expected[INNER], abs=2e-3)


@pytest.mark.parametrize(
    ("rate_mhz", "frequency_hz"),
    [(r, f) for r in RATES_MHZ for f in (56, 60, 90, 130, 180, 240, 400) if f * 2000 < r],
)
def test_what_would_fold_back_is_suppressed_by_50_db(rate_mhz, frequency_hz):
    assert np.abs(resample(sine(frequency_hz, rate_mhz), rate_mhz)[0, INNER]).max() < 10 ** (-50 / 20)


@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_a_constant_and_a_ramp_survive_to_the_last_sample(rate_mhz):
    time = np.arange(device_samples(rate_mhz)) * 1000 / rate_mhz
    out = resample(np.stack([np.full_like(time, 2.5), time / 10]), rate_mhz)
    expected = np.arange(WINDOW_SAMPLES) / RATE_HZ / 10
    assert out[0] == pytest.approx(2.5, abs=1e-5)
    assert out[1] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("rate_mhz", [125_000, 250_000, 300_000, 360_000, 500_000])
def test_it_agrees_with_scipy_on_an_ecg_one_window_at_a_time(rate_mhz):
    windows = ecg(5, rate_mhz, np.random.default_rng(1), noise_mv=0.0)
    ours = resample(windows, rate_mhz)
    for row, mine in zip(windows, ours, strict=True):
        theirs = scipy.signal.resample_poly(row.astype(float), 1000, rate_mhz // 100, window=("kaiser", 8.0))
        assert mine[INNER] == pytest.approx(theirs[INNER], abs=5e-3)


def test_100_hz_passes_untouched():
    windows = ecg(3, 100_000, np.random.default_rng(2))
    assert resample(windows, 100_000) is windows


@pytest.mark.parametrize("rate_mhz", [130_000, 333_333, 500_000])
@pytest.mark.parametrize("batch", [1, 17, 64, 100])
def test_a_row_is_bit_equal_in_any_batch_and_order(rate_mhz, batch):
    windows = ecg(150, rate_mhz, np.random.default_rng(3))
    whole = resample(windows, rate_mhz)
    order = np.random.default_rng(4).permutation(150)
    assert np.array_equal(resample(windows[:batch], rate_mhz), whole[:batch])
    assert np.array_equal(resample(windows[order], rate_mhz), whole[order])


@pytest.mark.parametrize("rate_mhz", [128_000, 333_333])
def test_a_window_cut_from_a_stream_equals_the_same_window_cut_from_a_file(rate_mhz):
    each, stride_ms = device_samples(rate_mhz), 5000
    recording = ecg(9, rate_mhz, np.random.default_rng(5)).reshape(-1)
    starts = [k * stride_ms * rate_mhz // 1_000_000 for k in range(14)]
    from_file = resample(np.stack([recording[s : s + each] for s in starts]), rate_mhz)
    for k, start in enumerate(starts):  # a ring that only ever holds this window, one row at a time
        ring = np.roll(recording[start : start + each], 137)
        assert np.array_equal(resample(np.roll(ring, -137)[None], rate_mhz)[0], from_file[k])


@settings(deadline=None)  # no verdict on speed: the machine may be busy
@given(
    arrays(np.float32, (2, device_samples(60_000)), elements=st.floats(-5, 5, width=32)),
    st.floats(-3, 3),
)
def test_it_is_linear(windows, factor):
    mixed = resample((windows[:1] + np.float32(factor) * windows[1:]), 60_000)
    alone = resample(windows, 60_000)
    assert mixed[0] == pytest.approx(alone[0] + factor * alone[1], abs=1e-4)


@pytest.mark.parametrize(("rate_mhz", "samples"), [(250_000, 2500), (333_333, 3334), (50_000, 500), (50_001, 501)])
def test_a_window_holds_every_sample_that_starts_within_ten_seconds(rate_mhz, samples):
    assert device_samples(rate_mhz) == samples


@pytest.mark.parametrize("rate_mhz", [49_999, 1_000_001, 0, -250_000])
def test_a_rate_out_of_range_is_refused(rate_mhz):
    with pytest.raises(SignalError, match="outside 50–1000 Hz"):
        device_samples(rate_mhz)


def test_windows_of_the_wrong_length_are_refused():
    with pytest.raises(SignalError, match=r"must be \(n, 2500\)"):
        resample(np.zeros((1, 2501)), 250_000)


def test_no_windows_are_no_windows():
    assert resample(np.zeros((0, 2500)), 250_000).shape == (0, WINDOW_SAMPLES)
