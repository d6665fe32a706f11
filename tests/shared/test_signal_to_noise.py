from collections.abc import Callable

import numpy as np
import pytest

from shared.signal_to_noise import noise_amplitude, noise_gain, qrs_amplitude, trimmed_mean


def test_the_amplitude_of_a_heart_is_that_of_its_qrs(beating: Callable[..., np.ndarray]) -> None:
    # R of 1.09 mV over an S of -0.18: P, T and wander are not counted.
    assert qrs_amplitude(beating(60, 500, wander=0.5), 500_000) == pytest.approx(1.27, abs=0.04)


def test_a_few_artefacts_do_not_count(beating: Callable[..., np.ndarray]) -> None:
    signal = beating(60, 500)
    spoilt = signal.copy()
    spoilt[5000] += 30
    assert qrs_amplitude(spoilt, 500_000) == pytest.approx(qrs_amplitude(signal, 500_000), rel=0.02)


def test_the_amplitude_of_a_noise_is_its_rms_without_drift() -> None:
    noise = np.random.default_rng(0).normal(0, 3.0, 36_000) + np.linspace(0, 100, 36_000)
    assert noise_amplitude(noise, 360_000) == pytest.approx(3.0, rel=0.03)


def test_a_sine_as_tall_as_the_qrs_is_zero_decibels() -> None:
    sine = 0.5 * np.sin(2 * np.pi * 10 * np.arange(3600) / 360)
    assert noise_gain(1.0, noise_amplitude(sine, 360_000), 0.0) == pytest.approx(1.0, rel=1e-3)


def test_twenty_decibels_are_a_factor_of_ten() -> None:
    assert noise_gain(1.0, 1.0, 0.0) / noise_gain(1.0, 1.0, 20.0) == pytest.approx(10.0)


def test_the_outermost_tenth_is_left_out() -> None:
    assert trimmed_mean(np.array([1e9, -1e9] + [2.0] * 38)) == 2.0
