"""Ranking figures against hand-made values and against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.metrics import MetricError, auroc, average_precision, roc_curve


def auroc_by_definition(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Every positive against every negative, one by one."""
    won = total = 0.0
    for s, y, w in zip(scores, labels, weights, strict=True):
        for t, z, v in zip(scores, labels, weights, strict=True):
            if y == 1 and z == 0:
                total += w * v
                won += w * v * (1.0 if s > t else 0.5 if s == t else 0.0)
    return won / total if total else float("nan")


def test_a_perfect_order_is_one_and_its_reverse_zero() -> None:
    assert auroc([1, 2, 3, 4], [0, 0, 1, 1]) == 1
    assert auroc([4, 3, 2, 1], [0, 0, 1, 1]) == 0


def test_a_tie_between_positive_and_negative_counts_half() -> None:
    assert auroc([0.5, 0.5], [0, 1]) == 0.5
    # Pairs: (.4,.1) won, (.4,.4) tied, (.9,.1) won, (.9,.4) won.
    assert auroc([0.1, 0.4, 0.4, 0.9], [0, 0, 1, 1]) == 3.5 / 4


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_without_both_kinds_there_is_no_auroc(labels: list[int]) -> None:
    assert np.isnan(auroc([0.1, 0.2, 0.3], labels))


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 0.9])),
            hnp.arrays(np.int8, n, elements=st.integers(0, 1)),
            hnp.arrays(np.int8, n, elements=st.integers(0, 3)),
        )
    )
)
def test_auroc_is_what_its_definition_says_whatever_the_ties_and_weights(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    np.testing.assert_allclose(auroc(*drawn), auroc_by_definition(*drawn), atol=1e-12)


@given(hnp.arrays(np.int8, (5, 20), elements=st.integers(0, 3)))
def test_a_weight_is_as_many_copies_of_the_row(weights: np.ndarray) -> None:
    random = np.random.default_rng(1)
    scores, labels = random.integers(0, 6, 20) / 5, random.integers(0, 2, 20)
    for figure in (auroc, average_precision):
        together = figure(scores, labels, weights)
        for row, value in zip(weights, together, strict=True):
            if row.any():
                copies = figure(np.repeat(scores, row), np.repeat(labels, row))
                np.testing.assert_allclose(value, copies, atol=1e-12)
            else:
                assert np.isnan(value)


def test_average_precision_of_a_known_order() -> None:
    # From the top: 0.8 positive (1/1), 0.4 negative, 0.35 positive (2/3): half of each.
    assert average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == pytest.approx(5 / 6)


def test_average_precision_of_equal_scores_is_the_share_of_positives() -> None:
    assert average_precision([0.3] * 8, [1, 1, 0, 0, 0, 0, 0, 0]) == pytest.approx(0.25)


def test_the_area_under_the_roc_curve_is_the_auroc() -> None:
    random = np.random.default_rng(2)
    scores, labels = random.integers(0, 9, 200), random.integers(0, 2, 200)
    assert np.trapezoid(roc_curve(scores, labels)[1], roc_curve(scores, labels)[0]) == pytest.approx(
        float(auroc(scores, labels))
    )


def test_a_roc_curve_of_one_kind_is_refused() -> None:
    with pytest.raises(MetricError, match="with and without"):
        roc_curve([0.1, 0.2], [0, 0])


@pytest.mark.parametrize(
    ("scores", "labels", "what"),
    [
        ([], [], "at least one record"),
        ([0.1, 0.2], [0], "do not fit"),
        ([0.1, float("nan")], [0, 1], "must be numbers"),
        ([0.1, 0.2], [0, 2], "labels 0 or 1"),
        ([0.1, 0.2], [0, float("nan")], "labels 0 or 1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores: list[float], labels: list[float], what: str) -> None:
    with pytest.raises(MetricError, match=what):
        auroc(scores, labels)
