"""The wearable's troubles: each is where and as large as it says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import welch

from services.ingest.synthetic import (
    Effect,
    GainError,
    LeadOff,
    Mains,
    Motion,
    Muscle,
    PatientSpec,
    Saturation,
    Wander,
    simulate,
)

CLEAN = PatientSpec(seed=1, noise=0)
SECONDS = 120


def difference(effect: Effect) -> np.ndarray:
    n = SECONDS * 250
    return simulate(replace(CLEAN, effects=(effect,)), 0, n).astype(float) - simulate(CLEAN, 0, n)


def centre_hz(x: np.ndarray) -> float:
    frequency, power = welch(x, fs=250, nperseg=4096)
    return float((frequency * power).sum() / power.sum())


@pytest.mark.parametrize(
    ("effect", "rms", "low_hz", "high_hz"),
    [
        (Wander(0.15), 0.15, 0.0, 0.6),
        (Muscle(0.05), 0.05, 25, 110),
        (Motion(0.4), 0.4, 0.6, 8),
        (Mains(0.03), 0.03 / 2**0.5, 49, 51),
    ],
)
def test_noise_has_its_size_and_its_band(effect: Effect, rms: float, low_hz: float, high_hz: float) -> None:
    x = difference(effect)
    assert x.std() == pytest.approx(rms, rel=0.35)
    assert low_hz <= centre_hz(x) <= high_hz


@pytest.mark.parametrize("effect", [Wander, Muscle, Motion, Mains])
def test_noise_keeps_to_its_time(effect: type) -> None:
    x = difference(effect(start_s=10.002, stop_s=20))
    assert not x[:2501].any()
    assert not x[5000:].any()
    assert np.count_nonzero(x[2501:5000]) > 2400


def test_lead_off_is_flat_or_at_the_rail() -> None:
    flat = simulate(replace(CLEAN, effects=(LeadOff(1, 2),)), 0, 750)
    rail = simulate(replace(CLEAN, effects=(LeadOff(1, 2, "rail", 4.0),)), 0, 750)
    assert set(flat[250:500].tolist()) == {0.0}
    assert set(rail[250:500].tolist()) == {4.0}
    np.testing.assert_array_equal(flat[500:], simulate(CLEAN, 500, 250))


def test_gain_error_scales() -> None:
    x = simulate(replace(CLEAN, effects=(GainError(1.1),)), 0, 500)
    np.testing.assert_allclose(x, 1.1 * simulate(CLEAN, 0, 500), rtol=1e-5)


def test_saturation_limits() -> None:
    x = simulate(replace(CLEAN, effects=(Saturation(0.2),)), 0, 2500)
    assert x.max() == pytest.approx(0.2)
    assert np.count_nonzero(x == np.float32(0.2)) > 20


def test_faults_apply_in_the_order_given() -> None:
    first_limit = simulate(replace(CLEAN, effects=(Saturation(0.2), GainError(2.0))), 0, 2500)
    first_gain = simulate(replace(CLEAN, effects=(GainError(2.0), Saturation(0.2))), 0, 2500)
    assert first_limit.max() == pytest.approx(0.4)
    assert first_gain.max() == pytest.approx(0.2)


def test_the_background_of_two_people_is_unrelated() -> None:
    n = 60 * 250
    noise = [
        simulate(replace(CLEAN, patient=p, noise=1.0), 0, n) - simulate(replace(CLEAN, patient=p), 0, n)
        for p in (1, 2)
    ]
    assert abs(np.corrcoef(*noise)[0, 1]) < 0.25
