"""Scored records with known figures."""

import numpy as np
import pytest

from training.evaluate.scored import Scored


def scored_of(probabilities: np.ndarray, labels: np.ndarray, threshold: float = 0.5) -> Scored:
    """One replicate of records of one patient each, in fold 1."""
    stacked = probabilities if probabilities.ndim == 3 else probabilities[None]
    n = len(labels)
    return Scored(
        np.arange(n), labels.astype(float), np.arange(n), np.ones(n, np.int16), stacked, stacked >= threshold
    )


@pytest.fixture
def scored() -> Scored:
    """300 records: the first five types are common, LMI has ten positives, the rare ones none."""
    random = np.random.default_rng(1)
    labels = np.zeros((300, 10))
    labels[:, :5] = random.uniform(size=(300, 5)) < 0.15
    labels[:10, 5] = 1
    labels[:, 9] = labels[:, :9].max(axis=1)
    logits = random.normal(size=labels.shape) + 1.5 * labels - 1
    return scored_of(1 / (1 + np.exp(-logits)), labels)
