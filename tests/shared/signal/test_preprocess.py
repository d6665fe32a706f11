"""Pre-processing as a whole: frozen numbers, flat windows, independence from the batch."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.synthetic import ecg
from shared.signal import PREPROCESSING_VERSION, WINDOW_SAMPLES, normalise, preprocess, resample

GOLDEN = Path(__file__).parent.parent / "golden" / "preprocess.json"
RATES_MHZ = (100_000, 130_000, 333_333, 500_000)


def deterministic(rate_mhz: int) -> np.ndarray:
    """One window from arithmetic alone, so that no library's random numbers stand in the golden file."""
    time = np.arange(-(-rate_mhz * 10 // 1000)) * 1000 / rate_mhz
    beat = np.abs((time + 0.3) % 0.8 - 0.4)
    return (np.clip(1 - beat / 0.04, 0, None) + 0.3 * np.sin(0.9 * time) + 0.05 * np.sin(70 * time))[None] + 0.7


def golden_values() -> dict[str, list[float]]:
    """What the golden file holds: every 37th pre-processed sample. To renew it after a wanted change, raise

    PREPROCESSING_VERSION and write ``{"version": …, "values": golden_values()}`` as JSON.
    """
    return {str(r): preprocess(resample(deterministic(r), r))[0, ::37].astype(float).tolist() for r in RATES_MHZ}


def test_the_numbers_are_those_of_this_version():
    golden = json.loads(GOLDEN.read_text())
    assert golden["version"] == PREPROCESSING_VERSION
    values = golden_values()
    for rate, expected in golden["values"].items():
        assert values[rate] == pytest.approx(expected, abs=1e-4)


def test_every_lead_comes_out_with_unit_power():
    out = preprocess(ecg(16, 100_000, np.random.default_rng(0)))
    assert np.square(out).mean(axis=1) == pytest.approx(1, abs=0.01)
    assert out.mean(axis=1) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0, -321.5])
def test_a_flat_window_becomes_zeros(level):
    assert not preprocess(np.full((2, WINDOW_SAMPLES), level, np.float32)).any()


def test_a_louder_copy_comes_out_the_same():
    windows = ecg(4, 100_000, np.random.default_rng(1))
    assert preprocess(windows * np.float32(4)) == pytest.approx(preprocess(windows), abs=0.01)


@pytest.mark.parametrize("batch", [1, 17, 64, 100])
def test_a_row_is_bit_equal_in_any_batch_and_order(batch):
    windows = ecg(150, 100_000, np.random.default_rng(2))
    whole = preprocess(windows)
    order = np.random.default_rng(3).permutation(150)
    assert np.array_equal(preprocess(windows[:batch]), whole[:batch])
    assert np.array_equal(preprocess(windows[order]), whole[order])


@settings(deadline=None)  # no verdict on speed: the machine may be busy
@given(arrays(np.float32, (1, WINDOW_SAMPLES), elements=st.floats(-400, 400, width=32)))
def test_finite_in_is_finite_out(windows):
    out = preprocess(windows)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


def test_normalising_leaves_its_input_alone():
    windows = ecg(2, 100_000, np.random.default_rng(4))
    before = windows.copy()
    normalise(windows)
    assert np.array_equal(windows, before)
