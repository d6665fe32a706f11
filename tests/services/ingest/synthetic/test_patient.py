"""A patient's samples are a function of the specification and the index, and of nothing else."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.synthetic import (
    KINDS,
    LEADS,
    ClockDrift,
    LeadOff,
    Motion,
    Muscle,
    Patient,
    PatientSpec,
    SimulationError,
    Wander,
    quantised,
    simulate,
    simulate_12,
    truth,
)

NOISY = PatientSpec(
    "IMI",
    seed=4,
    patient=9,
    rate_mhz=125_300,
    onset_s=20.0,
    speed=100,
    effects=(Wander(), Muscle(start_s=3.3, stop_s=40), Motion(0.3, 10, 11), LeadOff(50, 52), ClockDrift(80)),
)
LONG = 12_000
WHOLE = simulate(NOISY, 0, LONG)


@given(st.lists(st.integers(0, LONG), max_size=8))
@settings(max_examples=25, deadline=None)
def test_any_chunking_gives_the_same_bytes(cuts: list[int]) -> None:
    patient = Patient(NOISY)
    edges = sorted({0, LONG, *cuts})
    chunks = [patient.samples(a, b - a) for a, b in itertools.pairwise(edges)]
    assert np.concatenate(chunks).tobytes() == WHOLE.tobytes()


@given(st.integers(0, LONG - 400), st.integers(0, 400))
@settings(max_examples=15, deadline=None)
def test_a_restarted_source_resumes_mid_stream(first: int, count: int) -> None:
    assert simulate(NOISY, first, count).tobytes() == WHOLE[first : first + count].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_chunking_does_not_matter_for_any_kind(kind: str) -> None:
    spec = PatientSpec(kind, onset_s=5.0, seed=3)
    patient = Patient(spec)
    chunks = [patient.samples(i * 100, 100) for i in range(150)]
    assert np.concatenate(chunks).tobytes() == simulate(spec, 0, 15_000).tobytes()


def test_twelve_leads_agree_with_each_single_lead() -> None:
    spec = PatientSpec("ALMI", onset_s=-7200, seed=2, effects=(Muscle(),))
    twelve = simulate_12(spec, 1000, 700)
    for row, lead in zip(twelve, LEADS, strict=True):
        np.testing.assert_allclose(row, simulate(replace(spec, lead=lead), 1000, 700), atol=2e-6)


def test_einthoven_and_goldberger_hold_noise_included() -> None:
    x = dict(zip(LEADS, simulate_12(PatientSpec("IMI", onset_s=-9000, effects=(Motion(),)), 0, 3000), strict=True))
    np.testing.assert_allclose(x["I"] + x["III"], x["II"], atol=2e-6)
    np.testing.assert_allclose(x["AVR"] + x["AVL"] + x["AVF"], 0, atol=2e-6)
    np.testing.assert_allclose(x["AVF"], (x["II"] + x["III"]) / 2, atol=2e-6)


@pytest.mark.parametrize("rate_mhz", [50_000, 99_990, 125_000, 130_000, 300_000, 512_000, 1_000_000])
def test_every_device_rate_shows_the_same_heart(rate_mhz: int) -> None:
    """Beats fall at the same times and are as tall, within what the rate can resolve."""
    fine = PatientSpec(rate_mhz=1_000_000, noise=0, seed=8)
    x = simulate(fine, 0, 20_000)
    y = simulate(replace(fine, rate_mhz=rate_mhz), 0, 20 * rate_mhz // 1000)
    at = np.arange(y.size) * 1000 / rate_mhz
    level = np.interp(at, np.arange(x.size) / 1000, x)
    assert np.corrcoef(level, y)[0, 1] > (0.93 if rate_mhz < 90_000 else 0.98)


def test_seeds_patients_and_recordings_differ() -> None:
    base = PatientSpec()
    others = [base, replace(base, seed=1), replace(base, patient=1), replace(base, recording=1)]
    signals = {simulate(spec, 0, 1000).tobytes() for spec in others}
    assert len(signals) == 4


def test_a_day_into_the_recording_is_as_good_as_its_start() -> None:
    x = simulate(PatientSpec(seed=5, noise=0), 24 * 3600 * 250, 2500)
    assert 0.2 < x.max() < 3


def test_clock_drift_moves_the_beats_in_the_device_s_time() -> None:
    steady, fast = Patient(PatientSpec(seed=1)), Patient(PatientSpec(seed=1, effects=(ClockDrift(200.0),)))
    hour = 3600 * 250
    moved = fast.beat_times(hour, 2500)[0] - steady.beat_times(hour - 500, 2500)
    assert np.abs(moved - 3600 * 200e-6).min() < 0.01


def test_truth_names_the_kind_from_its_onset_and_every_effect() -> None:
    spec = PatientSpec("PMI", onset_s=30.0, effects=(LeadOff(5, 8), Motion(start_s=40)))
    assert [(e.label, e.start_s, e.stop_s) for e in truth(spec)] == [
        ("NORM", 0.0, 30.0),
        ("PMI", 30.0, math.inf),
        ("effect:lead_off", 5, 8),
        ("effect:motion", 40, math.inf),
    ]


def test_before_its_onset_a_patient_is_the_healthy_one() -> None:
    healthy = simulate(PatientSpec("NORM", seed=6), 0, 5000)
    np.testing.assert_array_equal(simulate(PatientSpec("AMI", seed=6, onset_s=25), 0, 5000), healthy)


def test_quantising_rounds_and_clips() -> None:
    steps = quantised(np.array([0.0, 0.0049, -1.0, 999.0]), 5.0)
    assert steps.dtype == np.int16
    assert steps.tolist() == [0, 1, -200, 32767]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "MI"}, "kind 'MI'"),
        ({"lead": "V7"}, "lead 'V7'"),
        ({"rate_mhz": 49_999}, "50 to 1000 Hz"),
        ({"severity": 0}, "severity"),
        ({"speed": 0}, "speed"),
        ({"onset_s": math.inf}, "onset_s"),
        ({"heart_rate": 300}, "heart rate"),
        ({"noise": -1}, "noise"),
    ],
)
def test_an_impossible_patient_is_refused(wrong: dict, says: str) -> None:
    with pytest.raises(SimulationError, match=says):
        PatientSpec(**wrong)


def test_samples_before_the_recording_are_refused() -> None:
    with pytest.raises(SimulationError, match="starts at sample 0"):
        simulate(PatientSpec(), -1, 10)
