"""Bootstrap by patient: what a draw is, and that its intervals cover what they should."""

import numpy as np
import pytest

from training.metrics import MetricError, Resampling, auroc, percentile_interval


def test_a_draw_has_as_many_patients_as_there_are_and_whole_patients_only() -> None:
    patients = np.array([7, 7, 3, 9, 9, 9])
    weights = np.concatenate(list(Resampling(patients, draws=50, seed=1).weights()))
    assert weights.shape == (50, 6)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    first, again, other = (next(Resampling(np.arange(20), draws=5, seed=seed).weights()) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    patients = np.arange(30)
    whole = Resampling(patients, draws=10).apply(lambda weights: weights)
    monkeypatch.setattr("training.metrics.bootstrap._CHUNK_NUMBERS", 60)
    assert (Resampling(patients, draws=10).apply(lambda weights: weights) == whole).all()


def test_an_interval_covers_the_truth_as_often_as_it_claims() -> None:
    random = np.random.default_rng(4)
    # Of two normal distributions one standard deviation apart the AUROC is Φ(1/√2).
    truth, covered, sets = 0.7602, 0, 100
    labels = np.repeat([0, 1], [150, 50])
    for seed in range(sets):
        scores = random.normal(size=200) + labels
        drawn = Resampling(np.arange(200), draws=200, seed=seed).apply(
            lambda weights, scores=scores: auroc(scores, labels, weights)  # type: ignore[misc]  # bound at once
        )
        low, high = percentile_interval(drawn) or (1.0, 0.0)
        covered += low <= truth <= high
    assert 86 <= covered <= 100


def test_many_records_of_few_patients_make_the_interval_wide() -> None:
    random = np.random.default_rng(5)
    scores = np.repeat(random.normal(size=20), 20)
    width = []
    for patients in (np.repeat(np.arange(20), 20), np.arange(400)):
        low, high = percentile_interval(Resampling(patients, draws=300).apply(lambda w: w @ scores / 400)) or (
            0,
            0,
        )
        width.append(high - low)
    assert width[0] > 3 * width[1]


def test_a_figure_that_most_draws_leave_undefined_has_no_interval() -> None:
    assert percentile_interval(np.array([np.nan, np.nan, 0.5])) is None
    assert percentile_interval(np.array([0.5, 0.5, np.nan])) == (0.5, 0.5)


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(MetricError):
        Resampling(np.array([], np.int64))
    with pytest.raises(MetricError):
        Resampling(np.arange(3), draws=0)
