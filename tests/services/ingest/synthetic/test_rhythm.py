"""R-R statistics: how regular, how fast, and in time with what."""

import numpy as np
import pytest
from scipy.signal import periodogram

from services.ingest.synthetic import Patient, PatientSpec
from services.ingest.synthetic.anatomy import draw_anatomy
from services.ingest.synthetic.draws import Draws

MINUTES = 10


def intervals(spec: PatientSpec) -> np.ndarray:
    return np.diff(Patient(spec).beat_times(0, MINUTES * 60 * spec.rate_mhz // 1000))


def spectrum(spec: PatientSpec) -> tuple[np.ndarray, np.ndarray]:
    at = Patient(spec).beat_times(0, MINUTES * 60 * spec.rate_mhz // 1000)
    even = np.interp(np.arange(at[1], at[-1], 0.25), at[1:], np.diff(at))
    return periodogram(even - even.mean(), fs=4)


@pytest.mark.parametrize("patient", range(6))
def test_sinus_rhythm_has_the_person_s_variability(patient: int) -> None:
    spec = PatientSpec(seed=2, patient=patient, heart_rate=65)
    wanted = draw_anatomy(Draws(2, patient)).sdnn_s * (60 / 65) ** 2
    assert intervals(spec).mean() == pytest.approx(60 / 65, rel=0.01)
    assert intervals(spec).std() == pytest.approx(wanted, rel=0.25)


@pytest.mark.parametrize("patient", range(4))
def test_heart_rate_swings_with_the_breath(patient: int) -> None:
    frequency, power = spectrum(PatientSpec(seed=2, patient=patient, heart_rate=65))
    band = (frequency > 0.15) & (frequency < 0.4)
    breath = draw_anatomy(Draws(2, patient)).breaths_per_min / 60
    assert frequency[band][np.argmax(power[band])] == pytest.approx(breath, abs=0.02)


def test_low_and_high_frequency_power_are_both_there() -> None:
    frequency, power = spectrum(PatientSpec(seed=2, heart_rate=65))
    low = power[(frequency > 0.04) & (frequency < 0.15)].sum()
    high = power[(frequency > 0.15) & (frequency < 0.4)].sum()
    assert 0.1 < low / high < 10


@pytest.mark.parametrize("patient", range(4))
def test_fibrillation_is_irregularly_irregular(patient: int) -> None:
    rr = intervals(PatientSpec("AFIB", seed=2, patient=patient))
    assert rr.std() / rr.mean() > 0.12
    assert abs(np.corrcoef(rr[:-1], rr[1:])[0, 1]) < 0.2
    assert rr.min() > 0.25


def test_fibrillation_begins_at_its_onset() -> None:
    at = Patient(PatientSpec("AFIB", seed=3, onset_s=120)).beat_times(0, 240 * 250)
    rr = np.diff(at)
    before, after = rr[at[1:] < 118], rr[at[:-1] > 122]
    assert before.std() / before.mean() < 0.08 < after.std() / after.mean()
    assert rr.max() < 2.0


def p_wave_mv(kind: str, patient: int) -> float:
    """Lead II at its highest 90 to 220 ms before R, above the level 60 ms before R, in the mean beat."""
    source = Patient(PatientSpec(kind, seed=2, patient=patient, lead="II", noise=0))
    x = source.samples(0, 60 * 250)
    at = np.rint(source.beat_times(250, 58 * 250) * 250).astype(int)
    mean = np.mean([x[r - 60 : r] for r in at], axis=0)
    return float(mean[5:38].max() - mean[45:48].mean())


@pytest.mark.parametrize("patient", range(3))
def test_fibrillation_has_no_p_wave(patient: int) -> None:
    assert p_wave_mv("AFIB", patient) < 0.4 * p_wave_mv("NORM", patient)


def test_tachycardia_is_sinus_rhythm_above_100() -> None:
    rr = intervals(PatientSpec("STACH", seed=2))
    assert 60 / rr.mean() > 100
    assert rr.std() / rr.mean() < 0.06


def test_paced_beats_are_regular() -> None:
    rr = intervals(PatientSpec("PACE", seed=2))
    assert rr.std() < 0.004
    assert 59 < 60 / rr.mean() < 83


@pytest.mark.parametrize("kind", ["NORM", "AFIB", "PVC", "STACH", "PACE"])
def test_beats_are_in_order_and_the_same_however_they_are_asked_for(kind: str) -> None:
    patient = Patient(PatientSpec(kind, seed=4, onset_s=31))
    whole = patient.beat_times(0, 90 * 250)
    parts = np.concatenate([patient.beat_times(i * 1000, 1000) for i in range(23)])
    assert np.all(np.diff(whole) > 0.2)
    np.testing.assert_allclose(parts[: whole.size], whole, atol=1e-9)
