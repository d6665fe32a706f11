"""Thresholds: what they do and how they are chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.metrics import MetricError, sensitivity, specificity, threshold_at_specificity, youden_threshold


def test_a_score_at_its_threshold_is_found() -> None:
    assert sensitivity([0.5, 0.4], [1, 1], 0.5) == 0.5
    assert specificity([0.5, 0.4], [0, 0], 0.5) == 0.5


def test_shares_without_anything_to_share_are_undefined() -> None:
    assert np.isnan(sensitivity([0.5], [0], 0.5))
    assert np.isnan(specificity([0.5], [1], 0.5))


def test_youden_separates_what_can_be_separated_midway() -> None:
    assert youden_threshold([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1]) == pytest.approx(0.4)


def test_of_equally_good_thresholds_the_highest_is_taken() -> None:
    # At 0.2 and at 0.8 the sum of both is the same.
    assert youden_threshold([0.1, 0.2, 0.4, 0.8], [0, 1, 0, 1]) == pytest.approx(0.6)


@given(
    st.integers(2, 30).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8])),
            hnp.arrays(np.int8, n, elements=st.integers(0, 1)),
        )
    )
)
def test_no_other_threshold_is_better_than_youdens(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = drawn
    if len(set(labels.tolist())) < 2:
        with pytest.raises(MetricError):
            youden_threshold(scores, labels)
        return

    def both(threshold: float) -> float:
        return float(sensitivity(scores, labels, threshold) + specificity(scores, labels, threshold))

    chosen = both(youden_threshold(scores, labels))
    assert all(both(t) <= chosen + 1e-12 for t in [*scores, scores.max() + 1])


@given(
    hnp.arrays(np.float64, 25, elements=st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8])),
    st.sampled_from([0.0, 0.5, 0.8, 0.95]),
)
def test_the_threshold_for_a_specificity_reaches_it_and_the_next_lower_score_does_not(
    scores: np.ndarray, wanted: float
) -> None:
    labels = np.arange(25) % 5 == 0
    threshold = threshold_at_specificity(scores, labels, wanted)
    assert specificity(scores, labels, threshold) >= wanted
    lower = scores[scores < threshold]
    if len(lower) and wanted:
        assert specificity(scores, labels, float(lower.max())) < wanted


def test_a_specificity_needs_records_without_the_finding() -> None:
    with pytest.raises(MetricError, match="without the finding"):
        threshold_at_specificity([0.1], [1], 0.9)
    with pytest.raises(MetricError, match="below 1"):
        threshold_at_specificity([0.1], [0], 1.0)
