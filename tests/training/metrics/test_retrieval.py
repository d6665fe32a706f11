"""Retrieval of a record's own embedding."""

import numpy as np
import pytest

from training.metrics import MetricError, own_rank, retrieval_at
from training.metrics.retrieval import ridge_map


def test_equal_embeddings_find_themselves() -> None:
    rows = np.random.default_rng(1).normal(size=(50, 8))
    assert (own_rank(rows, 3 * rows) == 0).all()
    assert retrieval_at(own_rank(rows, rows), 1).mean() == 1


def test_ranks_are_counted_by_hand() -> None:
    keys = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    queries = np.array([[1.0, 0.9], [0.1, 1.0], [1.0, 1.0]])
    # The first is nearest to the third key, then to its own.
    assert own_rank(queries, keys).tolist() == [1, 0, 0]
    assert retrieval_at(np.array([1, 0, 0]), 1).tolist() == [0, 1, 1]


def test_keys_that_are_all_the_same_retrieve_nothing() -> None:
    rows = np.random.default_rng(1).normal(size=(10, 4))
    assert (own_rank(rows, np.ones((10, 4))) == 9).all()


def test_unrelated_embeddings_retrieve_by_chance() -> None:
    random = np.random.default_rng(2)
    ranks = own_rank(random.normal(size=(500, 16)), random.normal(size=(500, 16)))
    assert retrieval_at(ranks, 5).mean() < 0.05


def test_a_ridge_map_finds_a_linear_relation_again() -> None:
    random = np.random.default_rng(3)
    source, matrix = random.normal(size=(400, 10)), random.normal(size=(10, 6))
    target = source @ matrix + 2
    mean, found, goal = ridge_map(source[:300], target[:300], strength=1e-6)
    np.testing.assert_allclose((source[300:] - mean) @ found + goal, target[300:], atol=1e-3)


def test_embeddings_that_do_not_pair_are_refused() -> None:
    with pytest.raises(MetricError, match="equally many"):
        own_rank(np.ones((3, 2)), np.ones((4, 2)))
