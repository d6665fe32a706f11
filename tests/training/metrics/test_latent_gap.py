import numpy as np
import pytest

from training.metrics.latent_gap import latent_gap

REAL = np.random.default_rng(0).normal(3, 2, (400, 6))
KNOWN = {"mean": REAL.mean(axis=0), "std": REAL.std(axis=0)}


def test_the_real_thing_leaves_no_gap() -> None:
    found = latent_gap(REAL, REAL, **KNOWN)
    assert (found.gap, found.spread) == (0.0, 1.0)
    assert (found.cosine, found.retrieval_1, found.retrieval_5) == pytest.approx((1.0, 1.0, 1.0))


def test_the_average_of_all_leaves_a_gap_of_one() -> None:
    found = latent_gap(np.broadcast_to(REAL.mean(axis=0), REAL.shape), REAL, **KNOWN)
    assert found.gap == pytest.approx(1.0)
    assert found.spread == pytest.approx(0.0)
    assert found.retrieval_1 == 0.0


def test_another_record_instead_leaves_a_gap_of_two() -> None:
    found = latent_gap(np.roll(REAL, 1, axis=0), REAL, **KNOWN)
    assert found.gap == pytest.approx(2.0, abs=0.1)
    assert found.retrieval_1 == 0.0
