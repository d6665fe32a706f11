"""Calibration error where it is known beforehand."""

import numpy as np
import pytest

from training.metrics import MetricError, expected_calibration_error, log_loss, reliability


def test_probabilities_that_keep_their_word_have_no_error() -> None:
    assert expected_calibration_error([0.25] * 4, [1, 0, 0, 0]) == 0


def test_certainty_that_is_always_wrong_has_the_largest_error() -> None:
    assert expected_calibration_error([1.0, 0.0], [0, 1]) == 1


def test_the_error_is_weighted_by_how_many_records_a_bin_has() -> None:
    # Three records at 0.9 of which two are positive (off by 0.2333), one at 0.1 that is negative (off by 0.1).
    expected = (3 * abs(0.9 - 2 / 3) + 1 * 0.1) / 4
    assert expected_calibration_error([0.9, 0.9, 0.9, 0.1], [1, 1, 0, 0]) == pytest.approx(expected)


def test_a_bin_that_compensates_within_itself_hides_its_error() -> None:
    assert expected_calibration_error([0.41, 0.49], [0, 1]) == pytest.approx(abs(0.45 - 0.5))


def test_empty_bins_are_undefined_and_do_not_count() -> None:
    found = reliability([0.05, 1.0], [0, 1])
    assert found.weight.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert np.isnan(found.predicted[1:9]).all()
    assert found.observed[9] == 1


def test_weights_are_copies_of_rows() -> None:
    probabilities, labels, weights = [0.2, 0.7, 0.75], [0, 1, 0], np.array([2, 1, 3])
    assert expected_calibration_error(probabilities, labels, weights) == pytest.approx(
        float(expected_calibration_error(np.repeat(probabilities, weights), np.repeat(labels, weights)))
    )


def test_simulated_probabilities_that_are_right_have_little_error() -> None:
    random = np.random.default_rng(3)
    probabilities = random.beta(1, 3, 20_000)
    assert expected_calibration_error(probabilities, random.uniform(size=20_000) < probabilities) < 0.02


def test_log_loss_of_a_coin_is_log_two_and_certainty_stays_finite() -> None:
    assert log_loss([0.5, 0.5], [0, 1]) == pytest.approx(np.log(2))
    assert np.isfinite(log_loss([1.0, 0.0], [0, 1]))


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(MetricError, match="between 0 and 1"):
        reliability([1.5, 0.2], [0, 1])
