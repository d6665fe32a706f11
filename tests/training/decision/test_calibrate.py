"""Calibration: known distortions are undone, and no freedom is taken that does not pay."""

import numpy as np
import pytest
from scipy.special import expit

from shared.labels import SCORE_NAMES
from training.decision import calibrate, probabilities
from training.decision.calibrate import platt, temperature
from training.metrics import expected_calibration_error


def true_logits(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels that agree."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1.5, 1.5, size=(n, len(SCORE_NAMES)))
    return logits, (random.uniform(size=logits.shape) < expit(logits)).astype(float)


def test_logits_that_are_right_are_left_alone_or_nearly() -> None:
    logits, labels = true_logits(3000)
    record, _ = calibrate(logits, labels, np.arange(3000))
    assert record.method in ("none", "temperature")
    assert record.slope["IMI"] == pytest.approx(1, abs=0.05)


def test_a_temperature_is_found_again() -> None:
    logits, labels = true_logits(3000)
    record, losses = calibrate(4 * logits, labels, np.arange(3000))
    assert record.method == "temperature"
    assert record.slope["AMI"] == pytest.approx(0.25, abs=0.02)
    assert losses["temperature"] < losses["none"]


def test_slopes_and_intercepts_that_differ_are_found_again() -> None:
    logits, labels = true_logits(4000)
    bend, shift = np.linspace(0.5, 2, 10), np.linspace(-1, 1, 10)
    distorted = (logits - shift) / bend
    record, _ = calibrate(distorted, labels, np.arange(4000))
    assert record.method == "platt"
    np.testing.assert_allclose(list(record.slope.values()), bend, rtol=0.2)
    calibrated = probabilities(distorted, record)
    assert max(float(expected_calibration_error(calibrated[:, i], labels[:, i])) for i in range(10)) < 0.04


def test_a_score_without_positives_keeps_a_slope_near_one_and_says_rare() -> None:
    logits, labels = true_logits(400)
    labels[:, 3] = 0
    slope, intercept = platt(logits, labels)
    assert 0.1 < slope[3] < 10
    assert expit(logits[:, 3] * slope[3] + intercept[3]).mean() < 0.02


def test_slopes_are_above_zero_even_for_scores_that_are_wrong_way_round() -> None:
    logits, labels = true_logits(200)
    assert (platt(-logits, labels)[0] > 0).all()
    assert (temperature(-logits, labels)[0] > 0).all()


def test_calibration_is_the_same_every_time() -> None:
    logits, labels = true_logits(300)
    patients = np.arange(300) // 3
    assert calibrate(3 * logits, labels, patients) == calibrate(3 * logits, labels, patients)


def test_records_of_one_patient_only_can_still_be_calibrated() -> None:
    logits, labels = true_logits(50)
    assert calibrate(logits, labels, np.zeros(50, np.int64))[0].method in ("none", "temperature", "platt")
